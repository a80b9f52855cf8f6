package plugin

import (
	"net/http"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

func TestNamesTheUserWhereTheSettingsSaySo(t *testing.T) {
	for name, one := range map[string]struct {
		jsonData string
		user     *backend.User
		want     string
	}{
		"on":                   {`{"sendUser":true}`, &backend.User{Login: "ada"}, "ada"},
		"letters beyond ASCII": {`{"sendUser":true}`, &backend.User{Login: "zoë"}, "zoë"},
		"no header's letters":  {`{"sendUser":true}`, &backend.User{Login: "a\r\nX-Other: b"}, "aX-Other: b"},
		"an alert rule":        {`{"sendUser":true}`, nil, ""},
		"off":                  {`{"sendUser":false}`, &backend.User{Login: "ada"}, ""},
		"absent":               {`{}`, &backend.User{Login: "ada"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFakeBackend(t, respond(http.StatusOK, "application/json", `{"types":[]}`))
			datasource := newTestDatasource(t, fake.URL, one.jsonData, "secret")
			ctx := backend.WithUser(t.Context(), one.user)
			sender := backend.CallResourceResponseSenderFunc(func(*backend.CallResourceResponse) error { return nil })
			if err := datasource.CallResource(ctx, &backend.CallResourceRequest{Method: "GET", Path: "types", URL: "types"}, sender); err != nil {
				t.Fatal(err)
			}
			if calls := fake.calls(); len(calls) != 1 || calls[0].user != one.want {
				t.Errorf("got %+v, want the user %q", calls, one.want)
			}
		})
	}
}
