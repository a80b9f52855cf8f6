// Package conformance drives the built gateway as Grafana does: its own process, started by go-plugin, spoken to over gRPC.
package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"userpulse/host/gohost/pluginclient"
)

// gateway is the binary under test: USERPULSE_GATEWAY, or one built here.
var gateway string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if gateway = os.Getenv("USERPULSE_GATEWAY"); gateway != "" {
		return m.Run()
	}
	folder, err := os.MkdirTemp("", "userpulse-gateway-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	gateway = filepath.Join(folder, "gpx_userpulse_"+runtime.GOOS+"_"+runtime.GOARCH)
	if runtime.GOOS == "windows" {
		gateway += ".exe"
	}
	build := exec.Command("go", "build", "-tags", "arrow_json_stdlib", "-o", gateway, "userpulse/pkg") // #nosec G204
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the gateway does not build: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

func start(t *testing.T) *pluginclient.Plugin {
	t.Helper()
	plugin, err := pluginclient.Start(pluginclient.Options{Path: gateway})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(plugin.Close)
	return plugin
}

func fakeBackend(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func fakeAnswer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

var saves atomic.Int64

// Each call is a newer save of the data source. The SDK keeps the instance of a save and tells saves apart by the millisecond alone, so two of one test must not share one.
func settings(url string) backend.PluginContext {
	return backend.PluginContext{
		OrgID: 1, PluginID: "userpulse-interactions-datasource",
		DataSourceInstanceSettings: &backend.DataSourceInstanceSettings{
			ID: 1, UID: "userpulse", Name: "Userpulse", Type: "userpulse-interactions-datasource", URL: url,
			JSONData:                json.RawMessage(`{"timeout":5}`),
			DecryptedSecureJSONData: map[string]string{"apiToken": "secret"}, Updated: time.Unix(saves.Add(1), 0),
		},
	}
}

func query(refID string) backend.DataQuery {
	return backend.DataQuery{
		RefID: refID, MaxDataPoints: 1000, Interval: time.Minute,
		TimeRange: backend.TimeRange{From: time.UnixMilli(1341100800000), To: time.UnixMilli(1341187200000)},
		JSON:      json.RawMessage(`{"refId":"` + refID + `","version":1,"preset":"received","ids":["88"],"types":[],"every":"1h","calc":"count"}`),
	}
}

const frame = `{"schema":{"refId":"A","meta":{"type":"timeseries-wide","typeVersion":[0,1],"executedQueryString":"flux","custom":{"partial":{"first":false,"last":true}},"notices":[{"severity":"info","text":"a notice"}]},"fields":[` +
	`{"name":"time","type":"time","typeInfo":{"frame":"time.Time"},"config":{"interval":3600000}},` +
	`{"name":"count","type":"number","typeInfo":{"frame":"float64","nullable":true},"labels":{"id":"88","type":"retweet"}}]},"data":{"values":[[1341100800000,1341104400000],[3,null]]}}`

func TestQueryGivesTheBackendsFrame(t *testing.T) {
	url := fakeBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/query" || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("asked %s as %q", r.URL, r.Header.Get("Authorization"))
		}
		fakeAnswer(200, "application/json", `{"results":{"A":{"status":200,"frames":[`+frame+`]},"B":{"error":"no such id","errorCode":"bad_request","status":400,"frames":[]}}}`)(w, r)
	})
	response, err := start(t).QueryData(t.Context(), &backend.QueryDataRequest{PluginContext: settings(url), Queries: []backend.DataQuery{query("A"), query("B")}})
	if err != nil {
		t.Fatal(err)
	}
	good, bad := response.Responses["A"], response.Responses["B"]
	if good.Error != nil || len(good.Frames) != 1 {
		t.Fatalf("A: %+v", good)
	}
	got, err := data.FrameToJSON(good.Frames[0], data.IncludeAll)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"refId":"A"`, `"executedQueryString":"flux"`, `"custom":{"partial":{"first":false,"last":true}}`, `"text":"a notice"`, `"typeVersion":[0,1]`, `"displayNameFromDS":"88 retweet"`, `"labels":{"id":"88","type":"retweet"}`, `"values":[[1341100800000,1341104400000],[3,null]]`} {
		if !strings.Contains(string(got), part) {
			t.Errorf("the frame lacks %s:\n%s", part, got)
		}
	}
	if bad.Error == nil || bad.Error.Error() != "no such id" || bad.Status != 400 || bad.ErrorSource != backend.ErrorSourceDownstream {
		t.Errorf("B: %+v", bad)
	}
}

// Alert rules and public dashboards have no browser: what is wrong with a saved query must reach the backend through the gateway alone.
func TestASavedQueryReachesTheBackendWhole(t *testing.T) {
	asked := make(chan string, 1)
	url := fakeBackend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- string(body)
		fakeAnswer(200, "application/json", `{"results":{"A":{"error":"refused","errorCode":"bad_request","status":400,"frames":[]}}}`)(w, r)
	})
	wrong := query("A")
	saved := `{"ids":[9007199254740993,88],"live":true,"n":"10","preset":"likes","refId":"A","version":1,"window":"1h"}`
	wrong.JSON = json.RawMessage(saved)
	response, err := start(t).QueryData(t.Context(), &backend.QueryDataRequest{PluginContext: settings(url), Queries: []backend.DataQuery{wrong}})
	if err != nil {
		t.Fatal(err)
	}
	if body := <-asked; !strings.HasSuffix(body, `"queries":[`+saved+`]}`) {
		t.Errorf("sent %s", body)
	}
	if got := response.Responses["A"]; got.Error == nil || got.Error.Error() != "refused" || got.Status != 400 {
		t.Errorf("%+v", got)
	}
}

func TestHealth(t *testing.T) {
	plugin := start(t)
	for name, one := range map[string]struct {
		url    string
		status backend.HealthStatus
		want   string
	}{
		"well":    {fakeBackend(t, fakeAnswer(200, "application/json", `{"checks":[{"name":"influxdb","state":"ok","message":"fine","hint":""}]}`)), backend.HealthStatusOk, "Checked: InfluxDB."},
		"broken":  {fakeBackend(t, fakeAnswer(200, "application/json", `{"checks":[{"name":"lag","state":"error","message":"An hour behind.","hint":"Start ingest."}]}`)), backend.HealthStatusError, "Kinesis lag: An hour behind. Start ingest."},
		"not set": {"", backend.HealthStatusError, "The data source is not set up: the URL is missing"},
	} {
		got, err := plugin.CheckHealth(t.Context(), settings(one.url))
		if err != nil || got.Status != one.status || !strings.Contains(got.Message, one.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestResource(t *testing.T) {
	url := fakeBackend(t, func(w http.ResponseWriter, r *http.Request) {
		fakeAnswer(200, "application/json", `{"path":"`+r.URL.String()+`"}`)(w, r)
	})
	plugin := start(t)
	got, err := plugin.CallResource(t.Context(), &backend.CallResourceRequest{PluginContext: settings(url), Method: http.MethodGet, Path: "top", URL: "top?of=made&n=3"})
	if err != nil || got.Status != 200 || string(got.Body) != `{"path":"/v1/top?n=3&of=made"}` {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = plugin.CallResource(t.Context(), &backend.CallResourceRequest{PluginContext: settings(url), Method: http.MethodGet, Path: "metrics", URL: "metrics"})
	if err != nil || got.Status != 404 {
		t.Errorf("a resource not on the list: %+v, %v", got, err)
	}
}

func TestMalformedAnswersAreErrorsAndTheGatewayLivesOn(t *testing.T) {
	plugin := start(t)
	pid := plugin.PID()
	for name, handler := range map[string]http.HandlerFunc{
		"empty":            fakeAnswer(200, "application/json", ``),
		"cut":              fakeAnswer(200, "application/json", `{"results":{"A":{"frames":[{"schema"`),
		"HTML":             fakeAnswer(200, "text/html", `<html>`),
		"null results":     fakeAnswer(200, "application/json", `{"results":null}`),
		"null frame":       fakeAnswer(200, "application/json", `{"results":{"A":{"frames":[null]}}}`),
		"uneven fields":    fakeAnswer(200, "application/json", `{"results":{"A":{"frames":[{"schema":{"fields":[{"name":"a","typeInfo":{"frame":"float64"}},{"name":"b","typeInfo":{"frame":"float64"}}]},"data":{"values":[[1,2],[1]]}}]}}}`),
		"too many columns": fakeAnswer(200, "application/json", `{"results":{"A":{"frames":[{"schema":{"fields":[{"name":"a","typeInfo":{"frame":"float64"}}]},"data":{"values":[[1],[2],[3]]}}]}}}`),
		"unknown type":     fakeAnswer(200, "application/json", `{"results":{"A":{"frames":[{"schema":{"fields":[{"name":"a","typeInfo":{"frame":"float65"}}]},"data":{"values":[[1]]}}]}}}`),
		"hangs up": func(w http.ResponseWriter, _ *http.Request) {
			connection, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = connection.Close()
			}
		},
	} {
		response, err := plugin.QueryData(t.Context(), &backend.QueryDataRequest{PluginContext: settings(fakeBackend(t, handler)), Queries: []backend.DataQuery{query("A")}})
		if err != nil {
			t.Errorf("%s: the call itself failed: %v", name, err)
			continue
		}
		if result := response.Responses["A"]; result.Error == nil || result.ErrorSource != backend.ErrorSourceDownstream {
			t.Errorf("%s: %+v", name, result)
		}
	}
	if plugin.Exited() || plugin.PID() != pid {
		t.Error("the gateway ended")
	}
}

func TestABackendThatIsDownIsNamed(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	response, err := start(t).QueryData(t.Context(), &backend.QueryDataRequest{PluginContext: settings(server.URL), Queries: []backend.DataQuery{query("A")}})
	if err != nil {
		t.Fatal(err)
	}
	if result := response.Responses["A"]; result.Error == nil || !strings.Contains(result.Error.Error(), server.URL+" cannot be reached") || result.Status != 502 {
		t.Errorf("%+v", result)
	}
}

func TestCancellingAQueryReachesTheBackend(t *testing.T) {
	started, ended := make(chan struct{}), make(chan struct{})
	url := fakeBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		close(started)
		<-r.Context().Done()
		close(ended)
	})
	plugin := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	if _, err := plugin.QueryData(ctx, &backend.QueryDataRequest{PluginContext: settings(url), Queries: []backend.DataQuery{query("A")}}); err == nil {
		t.Error("a cancelled query was answered")
	}
	<-ended
}

func channel(text string) (string, json.RawMessage) {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(text))
	encoded, _ := json.Marshal(map[string]string{"query": text})
	return fmt.Sprintf("live/%016x", sum.Sum64()), encoded
}

func TestStream(t *testing.T) {
	left := make(chan struct{})
	url := fakeBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; r.Context().Err() == nil; i++ {
			_, _ = fmt.Fprintf(w, "event: window\ndata: {\"id\":\"88\",\"type\":\"like\",\"time\":%d,\"value\":%d,\"partial\":true}\n\n", 1000*i, i)
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
		close(left)
	})
	plugin := start(t)
	path, raw := channel(`{"preset":"received","ids":["88"],"types":[],"every":"1s"}`)
	permission, err := plugin.SubscribeStream(t.Context(), &backend.SubscribeStreamRequest{PluginContext: settings(url), Path: path, Data: raw})
	if err != nil || permission.Status != backend.SubscribeStreamStatusOK {
		t.Fatalf("%+v, %v", permission, err)
	}
	published, err := plugin.PublishStream(t.Context(), &backend.PublishStreamRequest{PluginContext: settings(url), Path: path, Data: raw})
	if err != nil || published.Status != backend.PublishStreamStatusPermissionDenied {
		t.Errorf("publishing: %+v, %v", published, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var frames []*data.Frame
	err = plugin.RunStream(ctx, &backend.RunStreamRequest{PluginContext: settings(url), Path: path, Data: raw}, func(packet json.RawMessage) error {
		one := &data.Frame{}
		if err := json.Unmarshal(packet, one); err != nil {
			return err
		}
		if frames = append(frames, one); len(frames) == 3 {
			cancel()
		}
		return nil
	})
	if ctx.Err() == nil {
		t.Fatalf("the stream ended by itself: %v", err)
	}
	<-left // unsubscribing reached the backend
	if frames[2].Fields[1].Labels["type"] != "like" || frames[2].Rows() == 0 {
		t.Errorf("frame is %+v", frames[2])
	}
}

func TestEndingLeavesNoOrphanEvenWithCallsUnderWay(t *testing.T) {
	started := make(chan struct{}, 2)
	url := fakeBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		started <- struct{}{}
		<-r.Context().Done()
	})
	plugin := start(t)
	pid := plugin.PID()
	ended := make(chan struct{}, 2)
	go func() {
		_, _ = plugin.QueryData(t.Context(), &backend.QueryDataRequest{PluginContext: settings(url), Queries: []backend.DataQuery{query("A")}})
		ended <- struct{}{}
	}()
	path, raw := channel(`{"preset":"received","ids":["88"],"types":[],"every":"1s"}`)
	go func() {
		_ = plugin.RunStream(t.Context(), &backend.RunStreamRequest{PluginContext: settings(url), Path: path, Data: raw}, func(json.RawMessage) error { return nil })
		ended <- struct{}{}
	}()
	<-started
	<-started
	plugin.Close()
	<-ended
	<-ended
	if !plugin.Exited() {
		t.Error("go-plugin does not know that the gateway ended")
	}
	// Signal 0 asks whether the process exists; its parent (this test) has reaped it by now.
	if process, err := os.FindProcess(pid); err == nil && process.Signal(syscall.Signal(0)) == nil {
		t.Errorf("process %d is still there", pid)
	}
}

func TestTheGatewayTellsItsMetrics(t *testing.T) {
	metrics, err := start(t).CollectMetrics(t.Context())
	if err != nil || !strings.Contains(metrics, "go_goroutines") {
		t.Errorf("%v in %.200s", err, metrics)
	}
}
