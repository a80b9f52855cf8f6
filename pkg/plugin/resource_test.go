package plugin

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

func callResource(t *testing.T, datasource *Datasource, method, target, body string) *backend.CallResourceResponse {
	t.Helper()
	path, _, _ := strings.Cut(target, "?")
	var sent *backend.CallResourceResponse
	sender := backend.CallResourceResponseSenderFunc(func(response *backend.CallResourceResponse) error {
		sent = response
		return nil
	})
	request := &backend.CallResourceRequest{Method: method, Path: path, URL: target, Body: []byte(body)}
	if err := datasource.CallResource(context.Background(), request, sender); err != nil {
		t.Fatal(err)
	}
	return sent
}

func TestResourcesArePassedOnAsTheyAre(t *testing.T) {
	for name, one := range map[string]struct {
		method, target, body string
		status               int
		answer               string
		path, query          string
	}{
		"types":     {http.MethodGet, "types", "", 200, `{"types":["like"]}`, "/v1/types", ""},
		"top":       {http.MethodGet, "top?of=made&n=5&types=a%2Cb", "", 200, `{"top":[]}`, "/v1/top", "n=5&of=made&types=a%2Cb"},
		"schema":    {http.MethodGet, "/schema", "", 200, `{}`, "/v1/schema", ""},
		"health":    {http.MethodGet, "health", "", 200, `{"checks":[]}`, "/v1/health", ""},
		"translate": {http.MethodPost, "translate", `{"queries":[]}`, 400, `{"error":{"code":"bad_request","message":"queries is empty."}}`, "/v1/translate", ""},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFakeBackend(t, respond(one.status, "application/json", one.answer))
			got := callResource(t, newTestDatasource(t, fake.URL, "{}", "secret"), one.method, one.target, one.body)
			if got.Status != one.status || string(got.Body) != one.answer || got.Headers["Content-Type"][0] != "application/json" {
				t.Errorf("got %d %s", got.Status, got.Body)
			}
			want := fakeCall{one.method, one.path, one.query, "Bearer secret", "", "", one.body}
			if call := fake.calls()[0]; call != want {
				t.Errorf("asked %+v, want %+v", call, want)
			}
		})
	}
}

func TestOtherResourcesDoNotExist(t *testing.T) {
	fake := newFakeBackend(t, respond(200, "application/json", "{}"))
	datasource := newTestDatasource(t, fake.URL, "{}", "secret")
	for _, one := range []struct {
		method, target string
		status         int
	}{
		{http.MethodGet, "query", 404},
		{http.MethodGet, "", 404},
		{http.MethodGet, "../metrics", 404},
		{http.MethodGet, "types/../../metrics", 404},
		{http.MethodGet, "interactions/made/1", 404},
		{http.MethodPost, "types", 405},
		{http.MethodGet, "translate", 405},
		{http.MethodDelete, "health", 405},
	} {
		if got := callResource(t, datasource, one.method, one.target, ""); got.Status != one.status || !strings.Contains(string(got.Body), `"message":"`) {
			t.Errorf("%s %s: %d %s", one.method, one.target, got.Status, got.Body)
		}
	}
	if calls := fake.calls(); len(calls) != 0 {
		t.Errorf("the backend was asked %+v", calls)
	}
}

func TestAResourcesFailureNeverLogsTheUserOut(t *testing.T) {
	for name, one := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"token refused": {respond(401, "application/json", `{"error":{"code":"unauthorized","message":"no"}}`), "refused the API token"},
		"sign-in page":  {respond(200, "text/html", "<html>"), "no Userpulse backend"},
		"forbidden":     {respond(403, "text/html", "<html>"), "refused the API token"},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFakeBackend(t, one.handler)
			got := callResource(t, newTestDatasource(t, fake.URL, "{}", "secret"), http.MethodGet, "types", "")
			if got.Status != http.StatusBadGateway || !strings.Contains(string(got.Body), one.want) {
				t.Errorf("got %d %s", got.Status, got.Body)
			}
		})
	}
	got := callResource(t, newTestDatasource(t, "", "{}", ""), http.MethodGet, "types", "")
	if got.Status != http.StatusBadRequest || !strings.Contains(string(got.Body), "not set up") {
		t.Errorf("without settings: %d %s", got.Status, got.Body)
	}
}
