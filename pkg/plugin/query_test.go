package plugin

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

func ask(t *testing.T, datasource *Datasource, queries ...backend.DataQuery) backend.Responses {
	t.Helper()
	response, err := datasource.QueryData(t.Context(), &backend.QueryDataRequest{Queries: queries})
	if err != nil {
		t.Fatal(err)
	}
	return response.Responses
}

func TestForwardsTheSavedQueryAndKeepsTheFrame(t *testing.T) {
	fake := newFakeBackend(t, answerQueries(nil))
	datasource := newTestDatasource(t, fake.URL+"/prefix/", "{}", "secret")
	saved := `{"refId":"A","version":1,"preset":"received","ids":["9223372036854775807"],"types":["retweet"],"every":"auto","calc":"rate","groupBy":[],"compareTo":"1w","n":5,"of":"made","timezone":"Europe/Berlin","live":true,"legend":"{{id}}","hide":false,"datasource":{"uid":"x"},"later":[9007199254740993]}`
	result := ask(t, datasource, testQuery("A", saved))["A"]

	call := fake.calls()[0]
	if call.method != http.MethodPost || call.path != "/prefix/v1/query" || call.authorization != "Bearer secret" {
		t.Errorf("asked %+v", call)
	}
	// Whole, in the order of its names, and every number digit for digit.
	wantBody := `{"from":1341100800000,"to":1341187200000,"maxDataPoints":500,"intervalMs":30000,"queries":[{"calc":"rate","compareTo":"1w","datasource":{"uid":"x"},"every":"auto","groupBy":[],"hide":false,"ids":["9223372036854775807"],"later":[9007199254740993],"legend":"{{id}}","live":true,"n":5,"of":"made","preset":"received","refId":"A","timezone":"Europe/Berlin","types":["retweet"],"version":1}]}`
	if call.body != wantBody {
		t.Errorf("sent\n%s\nwant\n%s", call.body, wantBody)
	}
	if result.Error != nil || result.Status != backend.StatusOK || len(result.Frames) != 1 {
		t.Fatalf("got %+v", result)
	}
	frame := result.Frames[0]
	if frame.RefID != "A" || frame.Meta.ExecutedQueryString != `from(bucket: "x")` || string(frame.Meta.Type) != "timeseries-wide" {
		t.Errorf("frame %q, meta %+v", frame.RefID, frame.Meta)
	}
	if custom, _ := json.Marshal(frame.Meta.Custom); string(custom) != `{"partial":{"first":true,"last":false}}` {
		t.Errorf("meta.custom is %s", custom)
	}
	if len(frame.Meta.Notices) != 1 || frame.Meta.Notices[0].Text != "clipped" {
		t.Errorf("notices are %+v", frame.Meta.Notices)
	}
	if at, _ := frame.Fields[0].ConcreteAt(0); at != time.UnixMilli(1341100800000).UTC() {
		t.Errorf("first time is %v", at)
	}
	if value, _ := frame.Fields[1].FloatAt(0); value != 3 {
		t.Errorf("first value is %v", value)
	}
}

func TestDefaultsAreTheBackends(t *testing.T) {
	fake := newFakeBackend(t, answerQueries(nil))
	result := ask(t, newTestDatasource(t, fake.URL, "{}", ""), testQuery("A", `{}`), testQuery("B", `null`))
	if body := fake.calls()[0].body; !strings.HasSuffix(body, `"queries":[{"refId":"A"},{"refId":"B"}]}`) {
		t.Errorf("sent %s", body)
	}
	if result["A"].Error != nil || result["B"].Error != nil {
		t.Errorf("got %+v", result)
	}
}

func TestQueriesOfOneTimeRangeTravelTogetherAndOthersApart(t *testing.T) {
	fake := newFakeBackend(t, answerQueries(nil))
	later := testQuery("C", receivedModel)
	later.TimeRange.To = later.TimeRange.To.Add(time.Hour)
	zoned := testQuery("D", strings.Replace(receivedModel, `"preset"`, `"timezone":"Asia/Tokyo","preset"`, 1))
	results := ask(t, newTestDatasource(t, fake.URL, "{}", ""), testQuery("A", receivedModel), testQuery("B", receivedModel), later, zoned)
	if calls := fake.calls(); len(calls) != 2 {
		t.Errorf("made %d calls, want 2", len(calls))
	}
	for _, refID := range []string{"A", "B", "C", "D"} {
		if results[refID].Error != nil || len(results[refID].Frames) != 1 || results[refID].Frames[0].RefID != refID {
			t.Errorf("%s: %+v", refID, results[refID])
		}
	}
}

func TestMoreQueriesThanOneCallHolds(t *testing.T) {
	fake := newFakeBackend(t, answerQueries(nil))
	queries := make([]backend.DataQuery, 120)
	for i := range queries {
		queries[i] = testQuery("Q"+string(rune('A'+i/26))+string(rune('A'+i%26)), receivedModel)
	}
	results := ask(t, newTestDatasource(t, fake.URL, "{}", ""), queries...)
	if len(results) != 120 || len(fake.calls()) != 3 {
		t.Errorf("%d results from %d calls, want 120 from 3", len(results), len(fake.calls()))
	}
}

func TestABadQueryFailsAlone(t *testing.T) {
	fake := newFakeBackend(t, answerQueries(map[string]string{
		"A": `{"error":"\"x\" is not a valid user ID.","errorCode":"bad_request","status":400,"frames":[]}`,
		"B": `{"error":"InfluxDB is down.","errorCode":"influx_unreachable","status":503,"frames":[]}`,
	}))
	results := ask(t, newTestDatasource(t, fake.URL, "{}", ""),
		testQuery("A", receivedModel), testQuery("B", receivedModel), testQuery("C", receivedModel),
		testQuery("D", `["received"]`), testQuery("E", `not json`))
	for refID, want := range map[string]struct {
		status backend.Status
		text   string
	}{
		"A": {400, `"x" is not a valid user ID.`},
		"B": {503, "InfluxDB is down."},
		"D": {400, "The saved query is not a JSON object. Open the query in the editor and save it again."},
		"E": {400, "The saved query is not a JSON object. Open the query in the editor and save it again."},
	} {
		got := results[refID]
		if got.Error == nil || got.Error.Error() != want.text || got.Status != want.status || got.ErrorSource != backend.ErrorSourceDownstream {
			t.Errorf("%s: %v (status %d, source %s), want %q (%d)", refID, got.Error, got.Status, got.ErrorSource, want.text, want.status)
		}
	}
	if results["C"].Error != nil || len(results["C"].Frames) != 1 {
		t.Errorf("the good query got %+v", results["C"])
	}
}

// A panel sends a query of wrong form as it was saved, and so do alerts and public dashboards: the backend's words are the same for all.
func TestAQueryOfWrongFormGoesToTheBackendAsItWasSaved(t *testing.T) {
	refusal := `preset "likes" is not known. Use one of made, received, share, everyone, top.`
	fake := newFakeBackend(t, answerQueries(map[string]string{"A": `{"error":` + quote(refusal) + `,"errorCode":"bad_request","status":400,"frames":[]}`}))
	saved := `{"ids":"88","legend":5,"live":"yes","n":"10","preset":"likes","refId":"A","version":2,"window":"1h"}`
	result := ask(t, newTestDatasource(t, fake.URL, "{}", ""), testQuery("A", saved))["A"]
	if body := fake.calls()[0].body; !strings.HasSuffix(body, `"queries":[`+saved+`]}`) {
		t.Errorf("sent %s", body)
	}
	if result.Error == nil || result.Error.Error() != refusal || result.Status != 400 {
		t.Errorf("got %v, status %d", result.Error, result.Status)
	}
}

func TestQueriesAreAskedOneByOneWhenTheBodyIsRefused(t *testing.T) {
	good := answerQueries(nil)
	fake := newFakeBackend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "toolong") {
			respond(400, "application/json", `{"error":{"code":"bad_request","message":"queries[1].ids[0] is too long."}}`)(w, r)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		good(w, r)
	})
	results := ask(t, newTestDatasource(t, fake.URL, "{}", ""), testQuery("A", receivedModel), testQuery("B", `{"preset":"made","ids":["toolong"]}`))
	if results["A"].Error != nil {
		t.Errorf("the good query got %v", results["A"].Error)
	}
	if err := results["B"].Error; err == nil || err.Error() != "queries[1].ids[0] is too long." {
		t.Errorf("the bad query got %v", err)
	}
}

func TestWhatIsWrongWithTheBackendReachesTheUser(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	noHTTP := noHTTPServer(t)
	secure := httptest.NewTLSServer(answerQueries(nil))
	t.Cleanup(secure.Close)
	serve := func(status int, contentType, body string) string {
		return newFakeBackend(t, respond(status, contentType, body)).URL
	}
	frame := func(schema, data string) string {
		return serve(200, "application/json", `{"results":{"A":{"frames":[{"schema":`+schema+`,"data":`+data+`}]}}}`)
	}
	number := `{"name":"n","typeInfo":{"frame":"float64"}}`
	for name, one := range map[string]struct {
		url    string
		status backend.Status
		want   []string
	}{
		"down":                  {closed.URL, 502, []string{"cannot be reached", "connection refused", "userpulse serve"}},
		"unknown host":          {"http://no-such-host.invalid", 502, []string{"no-such-host.invalid", "URL"}},
		"token refused":         {serve(401, "application/json", `{"error":{"code":"unauthorized","message":"no"}}`), 401, []string{"refused the API token", "USERPULSE_API_TOKEN"}},
		"HTML with 200":         {serve(200, "text/html", "<html><body>Sign in</body></html>"), 502, []string{"no Userpulse backend", "text/html", "Sign in"}},
		"not found":             {serve(404, "text/plain", "404 page not found"), 502, []string{"no Userpulse backend", "404", "URL"}},
		"redirect":              {newFakeBackend(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }).URL, 502, []string{"redirects"}},
		"proxy error":           {serve(502, "text/html", "<h1>Bad gateway</h1>"), 502, []string{"HTTP 502", "Bad gateway", "proxy"}},
		"its own message":       {serve(429, "application/json", `{"error":{"code":"overloaded","message":"The server is busy: 16 queries are running. Try again in a moment."}}`), 429, []string{"16 queries are running", "Try again"}},
		"an answer too large":   {serve(413, "application/json", `{"error":{"code":"answer_too_large","message":"This would take up to 310 MiB. Use a shorter range."}}`), 413, []string{"310 MiB", "shorter range"}},
		"JSON of another form":  {serve(200, "application/json", `{"results":[1]}`), 502, []string{"not of the agreed form", "version"}},
		"cut JSON":              {serve(200, "application/json", `{"results":{"A":{"frames":[`), 502, []string{"not of the agreed form"}},
		"result missing":        {serve(200, "application/json", `{"results":{}}`), 502, []string{"no result for query A"}},
		"frame of wrong type":   {frame(`{"fields":[`+number+`]}`, `{"values":[["x"]]}`), 502, []string{"frame that cannot be read"}},
		"fields unequally long": {frame(`{"fields":[`+number+`,`+number+`]}`, `{"values":[[1,2],[1]]}`), 502, []string{"frame that cannot be read"}},
		"more values than fields": {
			frame(`{"fields":[`+number+`]}`, `{"values":[[1],[2]]}`), 502, []string{"frame that cannot be read"},
		},
		"frame is null":       {serve(200, "application/json", `{"results":{"A":{"frames":[null]}}}`), 502, []string{"frame that cannot be read"}},
		"no HTTP":             {"http://" + noHTTP, 502, []string{"does not speak plain HTTP"}},
		"TLS where none is":   {"https" + strings.TrimPrefix(serve(200, "application/json", "{}"), "http"), 502, []string{"does not speak TLS", "http://"}},
		"untrusted":           {secure.URL, 502, []string{"not trusted", "CA certificate"}},
		"settings: no URL":    {"", 400, []string{"The data source is not set up", "the URL is missing", "http://userpulse:8088"}},
		"settings: no scheme": {"userpulse:8088", 400, []string{"no http or https address"}},
	} {
		t.Run(name, func(t *testing.T) {
			result := ask(t, newTestDatasource(t, one.url, "{}", "secret"), testQuery("A", receivedModel))["A"]
			if result.Error == nil {
				t.Fatal("no error")
			}
			t.Log(result.Error)
			for _, text := range one.want {
				if !strings.Contains(result.Error.Error(), text) {
					t.Errorf("%q lacks %q", result.Error, text)
				}
			}
			if strings.Contains(result.Error.Error(), "secret") {
				t.Errorf("%q tells the token", result.Error)
			}
			if result.Status != one.status || result.ErrorSource != backend.ErrorSourceDownstream {
				t.Errorf("status %d, source %s", result.Status, result.ErrorSource)
			}
		})
	}
}

// noHTTPServer answers whatever it is asked in another protocol.
func noHTTPServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = connection.Read(make([]byte, 4096))
			_, _ = io.WriteString(connection, "220 mail.example ESMTP\r\n")
			_ = connection.Close()
		}
	}()
	return listener.Addr().String()
}

func TestATokenThatIsMissingIsAskedFor(t *testing.T) {
	fake := newFakeBackend(t, respond(401, "application/json", `{"error":{"code":"unauthorized","message":"no"}}`))
	result := ask(t, newTestDatasource(t, fake.URL, "{}", ""), testQuery("A", receivedModel))["A"]
	if result.Error == nil || !strings.Contains(result.Error.Error(), "wants a token") {
		t.Errorf("got %v", result.Error)
	}
}

func TestABackendThatDoesNotAnswerTimesOut(t *testing.T) {
	release := make(chan struct{})
	fake := newFakeBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	result := ask(t, newTestDatasource(t, fake.URL, `{"timeout":1}`, ""), testQuery("A", receivedModel))["A"]
	if result.Error == nil || result.Status != backend.StatusTimeout && result.Status != 504 || !strings.Contains(result.Error.Error(), "did not answer within 1s") {
		t.Errorf("got %v, status %d", result.Error, result.Status)
	}
}

func TestAnAnswerThatIsTooLargeIsRefused(t *testing.T) {
	t.Setenv("GF_DATAPROXY_RESPONSE_LIMIT", "1000")
	fake := newFakeBackend(t, respond(200, "application/json", `{"results":{"A":{"frames":[]}}}`+strings.Repeat(" ", 2000)))
	result := ask(t, newTestDatasource(t, fake.URL, "{}", ""), testQuery("A", receivedModel))["A"]
	if result.Error == nil || !strings.Contains(result.Error.Error(), "larger than the limit") {
		t.Errorf("got %v", result.Error)
	}
}

func TestCancellingReachesTheBackend(t *testing.T) {
	started, ended := make(chan struct{}), make(chan struct{})
	fake := newFakeBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
		close(ended)
	})
	ctx, cancel := context.WithCancel(t.Context())
	datasource := newTestDatasource(t, fake.URL, "{}", "")
	answered := make(chan backend.DataResponse, 1)
	go func() {
		response, _ := datasource.QueryData(ctx, &backend.QueryDataRequest{Queries: []backend.DataQuery{testQuery("A", receivedModel)}})
		answered <- response.Responses["A"]
	}()
	<-started
	cancel()
	<-ended
	if result := <-answered; result.Error == nil || result.Error.Error() != "The request was cancelled." {
		t.Errorf("got %v", result.Error)
	}
}

func TestAnAlertRuleSeesWholeWindowsOnlyAndNoKeptAnswer(t *testing.T) {
	for _, one := range []struct {
		headers      map[string]string
		want         any
		cacheControl string
	}{
		{map[string]string{"FromAlert": "true"}, "hide", "no-cache"},
		{nil, "show", ""},
	} {
		fake := newFakeBackend(t, answerQueries(nil))
		query := testQuery("A", strings.Replace(receivedModel, "{", `{"incomplete":"show",`, 1))
		if _, err := newTestDatasource(t, fake.URL, "{}", "").QueryData(t.Context(), &backend.QueryDataRequest{Headers: one.headers, Queries: []backend.DataQuery{query}}); err != nil {
			t.Fatal(err)
		}
		var asked struct {
			Queries []map[string]any `json:"queries"`
		}
		if err := json.Unmarshal([]byte(fake.calls()[0].body), &asked); err != nil {
			t.Fatal(err)
		}
		if got := asked.Queries[0]["incomplete"]; got != one.want {
			t.Errorf("with %v the backend is asked for %v", one.headers, got)
		}
		if got := fake.calls()[0].cacheControl; got != one.cacheControl {
			t.Errorf("with %v Cache-Control is %q", one.headers, got)
		}
	}
}
