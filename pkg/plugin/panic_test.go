package plugin

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// faultyTransport panics on requests that hold a text, and on reading answers that do.
type faultyTransport struct {
	inner http.RoundTripper
	text  string
}

func (f faultyTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(body), f.text) {
			panic("index out of range")
		}
		request.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	response, err := f.inner.RoundTrip(request)
	if err == nil {
		response.Body = &faultyBody{ReadCloser: response.Body, text: f.text}
	}
	return response, err
}

type faultyBody struct {
	io.ReadCloser
	text string
}

func (f *faultyBody) Read(into []byte) (int, error) {
	n, err := f.ReadCloser.Read(into)
	if strings.Contains(string(into[:n]), f.text) {
		panic("assignment to entry in nil map")
	}
	return n, err
}

func panicsOn(t *testing.T, datasource *Datasource, text string) {
	t.Helper()
	c, err := datasource.usable()
	if err != nil {
		t.Fatal(err)
	}
	inner := c.http.Transport
	if inner == nil {
		inner = http.DefaultTransport
	}
	c.http.Transport = faultyTransport{inner, text}
}

func TestAPanicIsTheErrorOfItsQuery(t *testing.T) {
	datasource := newTestDatasource(t, newFakeBackend(t, answerQueries(nil)).URL, "{}", "")
	panicsOn(t, datasource, `"31337"`)
	results := ask(t, datasource,
		testQuery("A", receivedModel),
		testQuery("B", strings.Replace(receivedModel, `"88"`, `"31337"`, 1)),
		testQuery("C", receivedModel))
	for _, refID := range []string{"A", "C"} {
		if results[refID].Error != nil || len(results[refID].Frames) != 1 {
			t.Errorf("query %s: %v", refID, results[refID].Error)
		}
	}
	failed := results["B"]
	if failed.Error == nil || !strings.Contains(failed.Error.Error(), "index out of range") || failed.Status != backend.StatusInternal || failed.ErrorSource != backend.ErrorSourcePlugin {
		t.Errorf("got %v, status %d, source %s", failed.Error, failed.Status, failed.ErrorSource)
	}
}

func TestAPanicInAStreamIsANoticeAndTheStreamGoesOn(t *testing.T) {
	connections := 0
	fake := newFakeBackend(t, func(w http.ResponseWriter, r *http.Request) {
		openStream(w)
		if connections++; connections == 1 {
			sendEvent(w, "window", `{"id":"88","type":"PANIC","time":1000,"value":1,"partial":false}`)
		} else {
			sendEvent(w, "window", `{"id":"88","type":"like","time":1000,"value":3,"partial":false}`)
		}
		<-r.Context().Done()
	})
	datasource := newTestDatasource(t, fake.URL, "{}", "")
	panicsOn(t, datasource, "PANIC")
	sent, stop := runStream(t, datasource, liveText)
	notice := sent.next(t)
	if notice.Meta == nil || len(notice.Meta.Notices) != 1 || !strings.Contains(notice.Meta.Notices[0].Text, "assignment to entry in nil map") {
		t.Errorf("got %+v", notice.Meta)
	}
	if got := values(t, sent.next(t)); !reflect.DeepEqual(got["88 like"], []any{3.0}) {
		t.Errorf("got %v", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
