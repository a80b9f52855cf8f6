package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// gateway is the binary under test: USERPULSE_GATEWAY, or one built here.
var gateway string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	if gateway = os.Getenv("USERPULSE_GATEWAY"); gateway != "" {
		return m.Run()
	}
	folder, err := os.MkdirTemp("", "userpulse-gohost-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	gateway = filepath.Join(folder, "gpx_userpulse.exe")
	build := exec.Command("go", "build", "-tags", "arrow_json_stdlib", "-o", gateway, "userpulse/pkg") // #nosec G204
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the gateway does not build: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

// fakeBackend is a backend with one window a moment, and a count of its open streams.
type fakeBackend struct {
	*httptest.Server
	streams, opened atomic.Int32
}

func newFakeBackend(t *testing.T) *fakeBackend {
	t.Helper()
	fake := &fakeBackend{}
	fake.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/v1/stream":
			fake.streams.Add(1)
			fake.opened.Add(1)
			defer fake.streams.Add(-1)
			w.Header().Set("Content-Type", "text/event-stream")
			for i := 0; r.Context().Err() == nil; i++ {
				_, _ = fmt.Fprintf(w, "event: window\ndata: {\"id\":\"88\",\"type\":\"like\",\"time\":%d,\"value\":1,\"partial\":true}\n\n", 1000*i)
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(20 * time.Millisecond):
				}
			}
		case "/v1/query":
			body, _ := io.ReadAll(r.Body)
			asked, _ := json.Marshal(string(body))
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"results":{"A":{"frames":[{"schema":{"meta":{"executedQueryString":%s},"fields":[{"name":"n","typeInfo":{"frame":"float64"}}]},"data":{"values":[[1]]}}]},"B":{"error":"bad","status":400,"frames":[]}}}`, asked)
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"checks":[],"asked":%q}`, r.URL.String())
		}
	}))
	t.Cleanup(fake.Close)
	return fake
}

// serve runs the host until the test ends, and gives its address.
func serve(t *testing.T, o options) string {
	t.Helper()
	o.listen, o.gateway, o.gatewayLog = "127.0.0.1:0", gateway, filepath.Join(t.TempDir(), "gateway.log")
	if o.uid == "" {
		o.uid = "userpulse"
	}
	ctx, stop := context.WithCancel(context.Background())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, o, writer)
		_ = writer.Close()
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the host ended with %v", err)
		}
	})
	var ready struct {
		URL        string `json:"url"`
		GatewayPID int    `json:"gatewayPid"`
	}
	if err := json.NewDecoder(reader).Decode(&ready); err != nil || ready.URL == "" || ready.GatewayPID == 0 {
		t.Fatalf("the host said %+v, %v", ready, err)
	}
	return ready.URL
}

func call(t *testing.T, method, address, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestTheHostAnswersAsGrafanaDoes(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"page/index.html": "<title>host</title>", "page/main.js": "main", "dist/module.js": "module", "dashboards/a.json": `{"title":"a"}`,
		"source.yaml": "datasources:\n  - {name: P, type: prometheus, uid: p}\n  - name: Mine\n    uid: mine\n    type: userpulse-interactions-datasource\n    url: $TEST_BACKEND\n    jsonData: {timeout: 5}\n    secureJsonData: {apiToken: $TEST_TOKEN}\n",
	} {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TEST_BACKEND", newFakeBackend(t).URL)
	t.Setenv("TEST_TOKEN", "secret")
	host := serve(t, options{page: filepath.Join(folder, "page"), dist: filepath.Join(folder, "dist"), dashboards: filepath.Join(folder, "dashboards"), datasource: filepath.Join(folder, "source.yaml")})
	const query = `{"refId":"%s","datasource":{"uid":"mine"},"preset":"made","intervalMs":60000,"maxDataPoints":7}`
	one, two := fmt.Sprintf(query, "A"), fmt.Sprintf(query, "B")
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/api/ds/query", `{"from":"1341100800000","to":1341104400000,"queries":[` + one + `]}`, 200, `{\"from\":1341100800000,\"to\":1341104400000,\"maxDataPoints\":7,\"intervalMs\":60000,`},
		{"POST", "/api/ds/query", `{"from":"2012-07-01T00:00:00Z","to":"2012-07-01T01:00:00Z","queries":[` + one + `]}`, 200, `{\"from\":1341100800000,\"to\":1341104400000,`},
		{"POST", "/api/ds/query", `{"from":"now-1h","to":"now","queries":[` + one + `,` + two + `]}`, 400, `"B":{"error":"bad","errorSource":"downstream","status":400`},
		{"POST", "/api/ds/query", `{"from":"yesterday-ish","to":"now","queries":[` + one + `]}`, 400, "bad time range"},
		{"POST", "/api/ds/query", `{"queries":[]}`, 400, "no queries found"},
		{"POST", "/api/ds/query", `{"from":"now-1h","to":"now","queries":[{"datasource":{"uid":"other"}}]}`, 400, `data source \"other\" not found`},
		{"GET", "/api/datasources/uid/mine/health", "", 200, `"status":"OK"`},
		{"GET", "/api/datasources/uid/other/health", "", 404, "not found"},
		{"GET", "/api/datasources/uid/mine/resources/top?n=2", "", 200, `"asked":"/v1/top?n=2"`},
		{"GET", "/api/datasources/uid/mine", "", 200, `"secureJsonFields":{"apiToken":true}`},
		{"GET", "/api/dashboards", "", 200, `["a.json"]`},
		{"GET", "/dashboards/a.json", "", 200, `{"title":"a"}`},
		{"GET", "/public/plugins/userpulse-interactions-datasource/module.js", "", 200, "module"},
		{"GET", "/public/plugins/userpulse-interactions-datasource/gone.js", "", 404, ""},
		{"GET", "/main.js", "", 200, "main"},
		{"GET", "/gone.js", "", 404, ""},
		{"GET", "/d/some/route", "", 200, "<title>host</title>"},
		{"GET", "/api/org", "", 404, "stands in"},
	} {
		status, body := call(t, c.method, host+c.path, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, status, body, c.status, c.want)
		}
		if strings.Contains(body, "secret\"") {
			t.Errorf("%s %s tells the token", c.method, c.path)
		}
	}
}

func TestSettingsCanBeBrokenAndMended(t *testing.T) {
	fake := newFakeBackend(t)
	host := serve(t, options{backendURL: fake.URL, token: "secret"})
	health := host + "/api/datasources/uid/userpulse/health"
	change := func(body string) {
		if status, text := call(t, "POST", host+"/api/datasources/uid/userpulse/settings", body); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
	}
	change(`{"secureJsonData":{"apiToken":"wrong"}}`)
	if status, text := call(t, "GET", health, ""); status != 400 || !strings.Contains(text, "refused the API token") {
		t.Errorf("%d %s", status, text)
	}
	change(`{"secureJsonData":{"apiToken":"secret"}}`)
	if status, text := call(t, "GET", health, ""); status != 200 {
		t.Errorf("%d %s", status, text)
	}
}

func TestSubscribersOfAChannelShareOneStream(t *testing.T) {
	fake := newFakeBackend(t)
	host := serve(t, options{backendURL: fake.URL, token: "secret"})
	query := `{"preset":"received","ids":["88"],"types":[],"every":"10s"}`
	data, _ := json.Marshal(map[string]string{"query": query})
	address := func(path string) string {
		return host + "/api/live-standin?" + url.Values{"uid": {"userpulse"}, "path": {path}, "data": {string(data)}}.Encode()
	}
	if status, text := call(t, "GET", address("live/0000000000000000"), ""); status != 404 || !strings.Contains(text, "no live channel") {
		t.Errorf("another path: %d %s", status, text)
	}
	ctx, leave := context.WithCancel(t.Context())
	for range 2 {
		request, err := http.NewRequestWithContext(ctx, "GET", address("live/fd73b60839810dbf"), nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		lines := bufio.NewScanner(response.Body)
		if !lines.Scan() || !strings.Contains(lines.Text(), `"labels":{"id":"88","type":"like"}`) {
			t.Errorf("first line is %s, %v", lines.Text(), lines.Err())
		}
	}
	if opened := fake.opened.Load(); opened != 1 {
		t.Errorf("the backend saw %d streams, want 1", opened)
	}
	leave()
	for deadline := time.Now().Add(10 * time.Second); fake.streams.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the stream goes on without subscribers")
		}
	}
}

func TestTheHostRefusesToBeReachableFromElsewhere(t *testing.T) {
	err := run(t.Context(), options{gateway: gateway, listen: "0.0.0.0:0", uid: "x"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "no loopback address") {
		t.Errorf("got %v", err)
	}
}
