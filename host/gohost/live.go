package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"userpulse/host/gohost/pluginclient"
)

// message is one server-sent event to a subscriber.
type message struct {
	event string // empty: a frame
	data  []byte
}

// channel is one live channel with its subscribers and its one RunStream.
type channel struct {
	path        string
	data        json.RawMessage
	subscribers map[chan message]struct{}
	end         context.CancelFunc // ends the channel
	restart     context.CancelFunc // ends the RunStream under way
}

// live shares one RunStream among the subscribers of a path, as Grafana Live does.
type live struct {
	host     *host
	lock     sync.Mutex
	channels map[string]*channel
	running  sync.WaitGroup
}

// subscribe starts the channel for its first subscriber. The returned function must be called once.
func (l *live) subscribe(path string, data json.RawMessage) (<-chan message, func()) {
	l.lock.Lock()
	defer l.lock.Unlock()
	one := l.channels[path]
	if one == nil {
		ctx, end := context.WithCancel(l.host.ctx)
		one = &channel{path: path, data: data, subscribers: map[chan message]struct{}{}, end: end}
		l.channels[path] = one
		l.running.Add(1)
		go l.run(ctx, one)
	}
	mine := make(chan message, 256)
	one.subscribers[mine] = struct{}{}
	return mine, func() {
		l.lock.Lock()
		defer l.lock.Unlock()
		delete(one.subscribers, mine)
		if len(one.subscribers) == 0 && l.channels[path] == one {
			one.end()
			delete(l.channels, path)
		}
	}
}

func (l *live) run(ctx context.Context, one *channel) {
	defer l.running.Done()
	for {
		turn, restart := context.WithCancel(ctx)
		l.lock.Lock()
		one.restart = restart
		l.lock.Unlock()
		err := l.host.plugin.RunStream(turn, &backend.RunStreamRequest{PluginContext: l.host.source.context(), Path: one.path, Data: one.data}, func(frame json.RawMessage) error {
			l.send(one, message{data: frame})
			return nil
		})
		restarted := turn.Err() != nil
		restart()
		if ctx.Err() != nil {
			return
		}
		if restarted {
			continue // new settings
		}
		text := "The gateway ended the stream."
		if err != nil {
			text = pluginclient.Message(err)
		}
		encoded, _ := json.Marshal(map[string]string{"message": text}) // strings always encode
		l.send(one, message{event: "error", data: encoded})
		l.drop(one)
		return
	}
}

// send never waits: a subscriber that is 256 messages behind is cut off.
func (l *live) send(one *channel, m message) {
	l.lock.Lock()
	defer l.lock.Unlock()
	for subscriber := range one.subscribers {
		select {
		case subscriber <- m:
		default:
			delete(one.subscribers, subscriber)
			close(subscriber)
		}
	}
}

// drop ends a channel whose stream ended: its subscribers are let go.
func (l *live) drop(one *channel) {
	l.lock.Lock()
	defer l.lock.Unlock()
	for subscriber := range one.subscribers {
		delete(one.subscribers, subscriber)
		close(subscriber)
	}
	if l.channels[one.path] == one {
		delete(l.channels, one.path)
	}
	one.end()
}

// restartAll gives every channel a new RunStream, as Grafana does when a data source's settings change.
func (l *live) restartAll() {
	l.lock.Lock()
	defer l.lock.Unlock()
	for _, one := range l.channels {
		if one.restart != nil {
			one.restart()
		}
	}
}

func (h *host) liveStandIn(w http.ResponseWriter, r *http.Request) {
	path, data := r.URL.Query().Get("path"), json.RawMessage(r.URL.Query().Get("data"))
	if len(data) > 0 && !json.Valid(data) {
		fail(w, http.StatusBadRequest, "data is no JSON")
		return
	}
	if uid := r.URL.Query().Get("uid"); uid != h.source.uid() {
		fail(w, http.StatusNotFound, "data source %q not found", uid)
		return
	}
	permission, err := h.plugin.SubscribeStream(r.Context(), &backend.SubscribeStreamRequest{PluginContext: h.source.context(), Path: path, Data: data})
	switch {
	case err != nil:
		fail(w, http.StatusInternalServerError, "%s", pluginclient.Message(err))
		return
	case permission.Status == backend.SubscribeStreamStatusPermissionDenied:
		fail(w, http.StatusForbidden, "The gateway does not let this live channel be listened to.")
		return
	case permission.Status != backend.SubscribeStreamStatusOK:
		fail(w, http.StatusNotFound, "The gateway knows no live channel of this path and query.")
		return
	}
	flusher, ok := w.(http.Flusher)
	if !ok {
		fail(w, http.StatusInternalServerError, "streaming is not possible here")
		return
	}
	messages, leave := h.live.subscribe(path, data)
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	flusher.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-h.ctx.Done():
			return
		case m, more := <-messages:
			if !more {
				return
			}
			if m.event != "" {
				_, err = fmt.Fprintf(w, "event: %s\n", m.event)
			}
			if err == nil {
				_, err = fmt.Fprintf(w, "data: %s\n\n", m.data)
			}
			if err != nil {
				return
			}
			flusher.Flush()
		}
	}
}
