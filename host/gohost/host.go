package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"userpulse/host/gohost/pluginclient"
	"userpulse/pkg/plugin"
)

// host is Grafana's server half, as far as the plugin's frontend needs it.
type host struct {
	ctx    context.Context // ends with the host
	plugin *pluginclient.Plugin
	source *dataSource
	live   *live
	o      options
}

func newHost(ctx context.Context, p *pluginclient.Plugin, source *dataSource, o options) *host {
	h := &host{ctx: ctx, plugin: p, source: source, o: o}
	h.live = &live{host: h, channels: map[string]*channel{}}
	return h
}

func (h *host) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/ds/query", h.query)
	mux.HandleFunc("GET /api/datasources", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, []any{h.source.public()})
	})
	mux.HandleFunc("GET /api/datasources/uid/{uid}", h.known(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, h.source.public())
	}))
	mux.HandleFunc("GET /api/datasources/uid/{uid}/health", h.known(h.health))
	mux.HandleFunc("POST /api/datasources/uid/{uid}/settings", h.known(h.change))
	mux.HandleFunc("/api/datasources/uid/{uid}/resources/{path...}", h.known(h.resource))
	mux.HandleFunc("GET /api/live-standin", h.liveStandIn)
	mux.HandleFunc("GET /api/dashboards", h.dashboards)
	mux.HandleFunc("GET /api/host", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"gatewayPid": h.plugin.PID(), "pluginId": plugin.ID, "datasource": h.source.public()})
	})
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "The plugin host has no %s %s; it stands in for a small part of Grafana.", r.Method, r.URL.Path)
	})
	if h.o.dist != "" {
		prefix := "/public/plugins/" + plugin.ID + "/"
		mux.Handle("GET "+prefix, http.StripPrefix(prefix, fresh(http.FileServer(http.Dir(h.o.dist)))))
	}
	if h.o.dashboards != "" {
		mux.Handle("GET /dashboards/", http.StripPrefix("/dashboards/", fresh(http.FileServer(http.Dir(h.o.dashboards)))))
	}
	if h.o.page != "" {
		mux.Handle("/", fresh(h.pageFiles()))
	}
	return mux
}

// known answers 404 for any data source but the host's.
func (h *host) known(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if uid := r.PathValue("uid"); uid != h.source.uid() {
			fail(w, http.StatusNotFound, "data source %q not found", uid)
			return
		}
		next(w, r)
	}
}

func (h *host) change(w http.ResponseWriter, r *http.Request) {
	var wanted change
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&wanted); err != nil {
		fail(w, http.StatusBadRequest, "the settings cannot be read: %v", err)
		return
	}
	if err := h.source.apply(wanted); err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	h.live.restartAll()
	answer(w, http.StatusOK, h.source.public())
}

func (h *host) dashboards(w http.ResponseWriter, _ *http.Request) {
	names := []string{}
	if h.o.dashboards != "" {
		found, err := filepath.Glob(filepath.Join(h.o.dashboards, "*.json"))
		if err != nil {
			fail(w, http.StatusInternalServerError, "%v", err)
			return
		}
		for _, path := range found {
			names = append(names, filepath.Base(path))
		}
	}
	answer(w, http.StatusOK, names)
}

// pageFiles serves the page's files; a path that looks like one of the page's own routes gives index.html. A missing script stays a 404.
func (h *host) pageFiles() http.Handler {
	files := http.FileServer(http.Dir(h.o.page))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clean := filepath.Join(h.o.page, filepath.FromSlash(strings.TrimPrefix(filepath.ToSlash(filepath.Clean("/"+r.URL.Path)), "/")))
		if _, err := os.Stat(clean); err != nil && filepath.Ext(r.URL.Path) == "" {
			http.ServeFile(w, r, filepath.Join(h.o.page, "index.html"))
			return
		}
		files.ServeHTTP(w, r)
	})
}

// fresh keeps the browser from showing an earlier build.
func fresh(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	var (
		encoded []byte
		err     error
	)
	// The SDK's own encoder writes frames as Grafana does.
	if response, ok := body.(*backend.QueryDataResponse); ok {
		encoded, err = response.MarshalJSON()
	} else {
		encoded, err = json.Marshal(body)
	}
	if err != nil {
		fail(w, http.StatusInternalServerError, "the answer cannot be encoded: %v", err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encoded) // a client that left needs no answer
}

func fail(w http.ResponseWriter, status int, format string, args ...any) {
	encoded, _ := json.Marshal(map[string]string{"message": fmt.Sprintf(format, args...)}) // strings always encode
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encoded)
}
