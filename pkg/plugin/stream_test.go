package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

const liveText = `{"preset":"received","ids":["88","677"],"types":[],"every":"10s","timezone":"UTC"}`

func liveRequest(text string) (path string, raw json.RawMessage) {
	encoded, _ := json.Marshal(map[string]string{"query": text})
	return livePrefix + liveHash(text), encoded
}

func TestTheHashIsTheOneTheFrontendComputes(t *testing.T) {
	if got := liveHash(`{"preset":"received","ids":["88"],"types":[],"every":"10s"}`); got != "fd73b60839810dbf" {
		t.Errorf("got %s: pkg/README.md promises fd73b60839810dbf", got)
	}
}

func TestSubscribing(t *testing.T) {
	path, raw := liveRequest(liveText)
	other, _ := liveRequest(`{"preset":"made"}`)
	nothing, noPreset := liveRequest(`{}`)
	datasource := newTestDatasource(t, "http://127.0.0.1:1", "{}", "")
	for name, one := range map[string]struct {
		path string
		data json.RawMessage
		want backend.SubscribeStreamStatus
	}{
		"its own query":        {path, raw, backend.SubscribeStreamStatusOK},
		"another query":        {other, raw, backend.SubscribeStreamStatusNotFound},
		"no query":             {path, nil, backend.SubscribeStreamStatusNotFound},
		"no preset":            {nothing, noPreset, backend.SubscribeStreamStatusNotFound},
		"another kind":         {"dead/" + strings.TrimPrefix(path, livePrefix), raw, backend.SubscribeStreamStatusNotFound},
		"data of another form": {path, json.RawMessage(`[1]`), backend.SubscribeStreamStatusNotFound},
	} {
		got, err := datasource.SubscribeStream(t.Context(), &backend.SubscribeStreamRequest{Path: one.path, Data: one.data})
		if err != nil || got.Status != one.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	published, err := datasource.PublishStream(t.Context(), &backend.PublishStreamRequest{Path: path, Data: raw})
	if err != nil || published.Status != backend.PublishStreamStatusPermissionDenied {
		t.Errorf("publishing: %+v, %v", published, err)
	}
}

// packets collects what a stream sends.
type packets chan []byte

func (p packets) Send(packet *backend.StreamPacket) error {
	p <- packet.Data
	return nil
}

func (p packets) next(t *testing.T) *data.Frame {
	t.Helper()
	select {
	case raw := <-p:
		frame := &data.Frame{}
		if err := json.Unmarshal(raw, frame); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		return frame
	case <-time.After(20 * time.Second):
		t.Fatal("no frame came")
		return nil
	}
}

// runStream runs a stream until the test ends; the function stops it and gives its error.
func runStream(t *testing.T, datasource *Datasource, text string) (packets, func() error) {
	t.Helper()
	path, raw := liveRequest(text)
	sent := make(packets, 100)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- datasource.RunStream(ctx, &backend.RunStreamRequest{Path: path, Data: raw}, backend.NewStreamSender(sent))
	}()
	t.Cleanup(cancel)
	return sent, func() error {
		cancel()
		return <-ended
	}
}

func TestStreamParameters(t *testing.T) {
	for _, one := range []struct{ query, want string }{
		{`{"preset":"received","ids":["88","677"],"types":[],"groupBy":["id"],"legend":"{{id}}"}`, "ids=88%2C677&preset=received"},
		{`{"preset":"received","ids":["88"],"calc":"unique","groupBy":["id"]}`, "calc=unique&groupBy=id&ids=88&preset=received"},
		{`{"preset":"everyone","calc":"unique","groupBy":[]}`, "calc=unique&groupBy=none&preset=everyone"},
		{`{"preset":"pair","ids":["88","677"],"direction":"both","groupBy":[]}`, "direction=both&ids=88%2C677&preset=pair"},
	} {
		got, err := streamParameters(one.query)
		if err != nil || got.Encode() != one.want {
			t.Errorf("%s becomes %s, %v; want %s", one.query, got.Encode(), err, one.want)
		}
	}
}

func sendEvent(w http.ResponseWriter, name, payload string) {
	_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, payload)
	w.(http.Flusher).Flush()
}

func openStream(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, ": open\n\n")
	w.(http.Flusher).Flush()
}

func values(t *testing.T, frame *data.Frame) map[string][]any {
	t.Helper()
	got := map[string][]any{}
	for _, field := range frame.Fields {
		name := field.Name
		if field.Config != nil && field.Config.DisplayNameFromDS != "" {
			name = field.Config.DisplayNameFromDS
		}
		for i := range field.Len() {
			value, ok := field.ConcreteAt(i)
			switch {
			case !ok:
				value = nil
			case field.Type().Time():
				value = value.(time.Time).UnixMilli()
			}
			got[name] = append(got[name], value)
		}
	}
	return got
}

func TestAStreamSendsAFreshWideFramePerTick(t *testing.T) {
	tick := make(chan struct{})
	gone := make(chan struct{})
	fake := newFakeBackend(t, func(w http.ResponseWriter, r *http.Request) {
		openStream(w)
		sendEvent(w, "window", `{"id":"677","type":"like","time":1000,"value":1,"partial":false}`)
		sendEvent(w, "window", `{"id":"88","type":"reply","time":1000,"value":2,"partial":false}`)
		sendEvent(w, "window", `{"id":"88","type":"like","time":11000,"value":3,"partial":true}`)
		<-tick
		sendEvent(w, "window", `{"id":"88","type":"like","time":11000,"value":4,"partial":false}`)
		<-r.Context().Done()
		close(gone)
	})
	sent, stop := runStream(t, newTestDatasource(t, fake.URL, "{}", "secret"), liveText)
	first := sent.next(t)
	want := map[string][]any{
		"time": {int64(1000), int64(11000)}, "88 like": {nil, 3.0}, "88 reply": {2.0, nil}, "677 like": {1.0, nil},
	}
	if got := values(t, first); !reflect.DeepEqual(got, want) {
		t.Errorf("first frame is %v, want %v", got, want)
	}
	if custom, _ := json.Marshal(first.Meta.Custom); string(custom) != `{"partial":[11000]}` || first.Meta.Type != data.FrameTypeTimeSeriesWide {
		t.Errorf("meta is %+v", first.Meta)
	}
	if first.Fields[1].Labels["id"] != "88" || first.Fields[1].Labels["type"] != "like" || first.Fields[3].Labels["id"] != "677" {
		t.Error("series are not in the order asked for")
	}
	close(tick)
	second := values(t, sent.next(t))
	if want := map[string][]any{"time": {int64(11000)}, "88 like": {4.0}, "88 reply": {nil}, "677 like": {nil}}; !reflect.DeepEqual(second, want) {
		t.Errorf("second frame is %v, want %v", second, want)
	}
	if call := fake.calls()[0]; call.path != "/v1/stream" || call.query != "every=10s&ids=88%2C677&preset=received&timezone=UTC" || call.authorization != "Bearer secret" {
		t.Errorf("asked %+v", call)
	}
	if err := stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
	<-gone // the backend sees the subscriber leave
}

func TestAStreamSumsWhatIsNotGroupedBy(t *testing.T) {
	for _, one := range []struct {
		groupBy string
		want    map[string][]any
	}{
		{`[]`, map[string][]any{"time": {int64(1000)}, "interactions": {7.0}}},
		{`["id"]`, map[string][]any{"time": {int64(1000)}, "88": {5.0}, "677": {2.0}}},
		{`["type"]`, map[string][]any{"time": {int64(1000)}, "like": {3.0}, "reply": {4.0}}},
	} {
		live := newLiveWindows(mustLive(t, `{"preset":"received","ids":["88","677"],"groupBy":`+one.groupBy+`}`))
		live.add(window{ID: "88", Type: "like", Time: 1000, Value: 9, Partial: true})
		live.add(window{ID: "88", Type: "like", Time: 1000, Value: 1, Partial: true})
		live.add(window{ID: "88", Type: "reply", Time: 1000, Value: 4, Partial: true})
		live.add(window{ID: "677", Type: "like", Time: 1000, Value: 2, Partial: true})
		if got := values(t, live.frame()); !reflect.DeepEqual(got, one.want) {
			t.Errorf("groupBy %s gives %v, want %v", one.groupBy, got, one.want)
		}
		if live.frame() != nil {
			t.Error("a frame came although nothing changed")
		}
	}
}

func TestTheSeriesWithoutATypeGivesWayToTheFirstWithOne(t *testing.T) {
	live := newLiveWindows(mustLive(t, `{"preset":"received","ids":["88"]}`))
	live.add(window{ID: "88", Time: 1000})
	if got, want := values(t, live.frame()), (map[string][]any{"time": {int64(1000)}, "88": {0.0}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	live.add(window{ID: "88", Type: "like", Time: 1000, Value: 1})
	if got, want := values(t, live.frame()), (map[string][]any{"time": {int64(1000)}, "88 like": {1.0}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestALongStreamKeepsABoundedMemory(t *testing.T) {
	live := newLiveWindows(mustLive(t, `{"preset":"everyone"}`))
	for i := range int64(10_000) {
		live.add(window{Type: "like", Time: i * 1000, Value: 1})
		live.add(window{Type: fmt.Sprintf("t%d", i), Time: i * 1000, Value: 1})
	}
	live.add(window{Type: "like", Time: 5, Value: 1}) // long forgotten
	if len(live.values) != keptWindows || len(live.seen) != maxLiveSeries {
		t.Errorf("keeps %d windows and %d series", len(live.values), len(live.seen))
	}
	if frame := live.frame(); frame.Rows() != keptWindows || len(frame.Meta.Notices) != 1 {
		t.Errorf("frame of %d rows, notices %+v", frame.Rows(), frame.Meta.Notices)
	}
}

func mustLive(t *testing.T, text string) liveQuery {
	t.Helper()
	query, err := parseLive(livePrefix+liveHash(text), json.RawMessage(`{"query":`+quote(text)+`}`))
	if err != nil {
		t.Fatal(err)
	}
	return query
}

func quote(text string) string {
	encoded, _ := json.Marshal(text)
	return string(encoded)
}

func TestAStreamReconnectsByItselfAndSaysWhatIsWrong(t *testing.T) {
	turns := make(chan func(http.ResponseWriter, *http.Request), 10)
	fake := newFakeBackend(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case turn := <-turns:
			turn(w, r)
		default:
			openStream(w)
			sendEvent(w, "window", `{"id":"88","type":"like","time":1000,"value":5,"partial":true}`)
			<-r.Context().Done()
		}
	})
	turns <- respond(429, "application/json", `{"error":{"code":"overloaded","message":"200 live streams are open."}}`)
	turns <- func(w http.ResponseWriter, _ *http.Request) {
		openStream(w)
		sendEvent(w, "error", `{"error":{"code":"influx_unreachable","message":"InfluxDB is down."}}`)
	}
	turns <- func(w http.ResponseWriter, _ *http.Request) {
		openStream(w)
		sendEvent(w, "window", `not json`)
	}
	sent, stop := runStream(t, newTestDatasource(t, fake.URL, "{}", ""), liveText)
	for _, want := range []string{"200 live streams are open.", "InfluxDB is down.", "cannot be read"} {
		frame := sent.next(t)
		if len(frame.Meta.Notices) != 1 || !strings.Contains(frame.Meta.Notices[0].Text, want) {
			t.Errorf("notices are %+v, want %q", frame.Meta.Notices, want)
		}
	}
	if frame := sent.next(t); len(frame.Meta.Notices) != 0 || frame.Rows() != 1 {
		t.Errorf("after the trouble: %+v", frame.Meta)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAnOrderlyEndIsFollowedByAQuietReconnection(t *testing.T) {
	fake := newFakeBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		openStream(w)
		sendEvent(w, "window", `{"id":"88","type":"like","time":1000,"value":5,"partial":true}`)
	})
	sent, stop := runStream(t, newTestDatasource(t, fake.URL, "{}", ""), liveText)
	for range 2 {
		if frame := sent.next(t); len(frame.Meta.Notices) != 0 {
			t.Errorf("notices are %+v", frame.Meta.Notices)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAStreamWithoutSettingsSaysSoAndWaits(t *testing.T) {
	sent, stop := runStream(t, newTestDatasource(t, "", "{}", ""), liveText)
	if frame := sent.next(t); len(frame.Meta.Notices) != 1 || !strings.Contains(frame.Meta.Notices[0].Text, "the URL is missing") {
		t.Errorf("meta is %+v", frame.Meta)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

type brokenSender struct{}

func (brokenSender) Send(*backend.StreamPacket) error { return errors.New("the subscriber is gone") }

func TestAStreamEndsWhenGrafanaTakesNoMoreAndLeavesNothingBehind(t *testing.T) {
	fake := newFakeBackend(t, func(w http.ResponseWriter, r *http.Request) {
		openStream(w)
		for i := 0; r.Context().Err() == nil; i++ {
			sendEvent(w, "window", fmt.Sprintf(`{"id":"88","type":"like","time":%d,"value":5,"partial":true}`, i*1000))
		}
	})
	datasource := newTestDatasource(t, fake.URL, "{}", "")
	before := runtime.NumGoroutine()
	path, raw := liveRequest(liveText)
	for range 5 {
		err := datasource.RunStream(t.Context(), &backend.RunStreamRequest{Path: path, Data: raw}, backend.NewStreamSender(brokenSender{}))
		if err == nil || err.Error() != "the subscriber is gone" {
			t.Errorf("ended with %v", err)
		}
	}
	datasource.Dispose()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			buffer := make([]byte, 1<<16)
			t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buffer[:runtime.Stack(buffer, true)])
		}
	}
}

func TestReadEvents(t *testing.T) {
	for name, one := range map[string]struct {
		text string
		want []event
		err  error
	}{
		"an event":            {"event: window\ndata: 1\n\n", []event{{"window", "1"}}, io.EOF},
		"carriage returns":    {"event: window\r\ndata: 1\r\n\r\n", []event{{"window", "1"}}, io.EOF},
		"several data lines":  {"data: a\ndata:b\n\n", []event{{"", "a\nb"}}, io.EOF},
		"comments and others": {": hi\nid: 5\nretry: 1\n\nevent: x\n\ndata: 2\n\n", []event{{"", "2"}}, io.EOF},
		"a cut event":         {"data: 1\n\nevent: window\ndata: 2\n", []event{{"", "1"}}, io.EOF},
		"a colon in data":     {"data: {\"a\":1}\n\n", []event{{"", `{"a":1}`}}, io.EOF},
	} {
		var got []event
		err := readEvents(strings.NewReader(one.text), func() {}, func(e event) error {
			got = append(got, e)
			return nil
		})
		if !errors.Is(err, one.err) || !reflect.DeepEqual(got, one.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if err := readEvents(strings.NewReader("data: "+strings.Repeat("x", maxEventBytes)), func() {}, func(event) error { return nil }); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("an endless line gives %v", err)
	}
}

func TestBackOffGrowsToItsCeiling(t *testing.T) {
	for failures := range 100 {
		if wait := backOff(failures); wait <= 0 || wait > lastBackOff {
			t.Errorf("after %d failures %v", failures, wait)
		}
	}
	if backOff(0) > firstBackOff {
		t.Error("the first wait is too long")
	}
}
