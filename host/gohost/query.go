package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/gtime"

	"userpulse/host/gohost/pluginclient"
)

const maxBodyBytes = 16 << 20

// instant is a time as Grafana's frontend sends it: text or a number of epoch milliseconds.
type instant string

func (i *instant) UnmarshalJSON(raw []byte) error {
	*i = instant(strings.Trim(string(raw), `"`))
	return nil
}

// metricRequest is the body of POST /api/ds/query.
type metricRequest struct {
	From    instant           `json:"from"`
	To      instant           `json:"to"`
	Queries []json.RawMessage `json:"queries"`
}

// metricQuery is the part of a query that Grafana itself reads; the defaults are Grafana's.
type metricQuery struct {
	RefID         string  `json:"refId"`
	QueryType     string  `json:"queryType"`
	MaxDataPoints float64 `json:"maxDataPoints"`
	IntervalMs    float64 `json:"intervalMs"`
	Datasource    struct {
		UID  string `json:"uid"`
		Type string `json:"type"`
	} `json:"datasource"`
	TimeRange *struct {
		From instant `json:"from"`
		To   instant `json:"to"`
	} `json:"timeRange"`
}

func (h *host) query(w http.ResponseWriter, r *http.Request) {
	var request metricRequest
	if err := json.NewDecoder(io.LimitReader(r.Body, maxBodyBytes)).Decode(&request); err != nil {
		fail(w, http.StatusBadRequest, "bad request data: %v", err)
		return
	}
	if len(request.Queries) == 0 {
		fail(w, http.StatusBadRequest, "no queries found")
		return
	}
	queries := make([]backend.DataQuery, len(request.Queries))
	for i, raw := range request.Queries {
		query, err := h.dataQuery(raw, request)
		if err != nil {
			fail(w, http.StatusBadRequest, "%v", err)
			return
		}
		queries[i] = query
	}
	response, err := h.plugin.QueryData(r.Context(), &backend.QueryDataRequest{PluginContext: h.source.context(), Queries: queries})
	if err != nil {
		fail(w, http.StatusInternalServerError, "%s", pluginclient.Message(err))
		return
	}
	status := http.StatusOK
	for _, result := range response.Responses {
		if result.Error != nil {
			status = http.StatusBadRequest
		}
	}
	answer(w, status, response)
}

func (h *host) dataQuery(raw json.RawMessage, request metricRequest) (backend.DataQuery, error) {
	query := metricQuery{RefID: "A", MaxDataPoints: 100, IntervalMs: 1000}
	if err := json.Unmarshal(raw, &query); err != nil {
		return backend.DataQuery{}, fmt.Errorf("bad query: %w", err)
	}
	if uid := query.Datasource.UID; uid != "" && uid != h.source.uid() {
		return backend.DataQuery{}, fmt.Errorf("data source %q not found", uid)
	}
	from, to := request.From, request.To
	if query.TimeRange != nil {
		from, to = query.TimeRange.From, query.TimeRange.To
	}
	asked := gtime.NewTimeRange(string(from), string(to))
	start, err := asked.ParseFrom()
	if err != nil {
		return backend.DataQuery{}, fmt.Errorf("bad time range: from %q: %w", from, err)
	}
	end, err := asked.ParseTo()
	if err != nil {
		return backend.DataQuery{}, fmt.Errorf("bad time range: to %q: %w", to, err)
	}
	return backend.DataQuery{
		RefID:         query.RefID,
		QueryType:     query.QueryType,
		MaxDataPoints: int64(query.MaxDataPoints),
		Interval:      time.Duration(query.IntervalMs * float64(time.Millisecond)),
		TimeRange:     backend.TimeRange{From: start, To: end},
		JSON:          raw,
	}, nil
}

func (h *host) health(w http.ResponseWriter, r *http.Request) {
	result, err := h.plugin.CheckHealth(r.Context(), h.source.context())
	if err != nil {
		fail(w, http.StatusInternalServerError, "Plugin health check failed: %s", pluginclient.Message(err))
		return
	}
	body := map[string]any{"status": result.Status.String(), "message": result.Message}
	if len(result.JSONDetails) > 0 {
		body["details"] = json.RawMessage(result.JSONDetails)
	}
	status := http.StatusOK
	if result.Status != backend.HealthStatusOk {
		status = http.StatusBadRequest
	}
	answer(w, status, body)
}

func (h *host) resource(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBodyBytes))
	if err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	path := r.PathValue("path")
	target := path
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	response, err := h.plugin.CallResource(r.Context(), &backend.CallResourceRequest{
		PluginContext: h.source.context(),
		Path:          path,
		Method:        r.Method,
		URL:           target,
		Headers:       r.Header,
		Body:          body,
	})
	if err != nil {
		fail(w, http.StatusInternalServerError, "%s", pluginclient.Message(err))
		return
	}
	for name, values := range response.Headers {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(response.Status)
	_, _ = w.Write(response.Body) // a client that left needs no answer
}
