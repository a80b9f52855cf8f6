package plugin

import (
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

func TestHealthNamesWhatIsWrongAndTheWayOut(t *testing.T) {
	const ok = `{"name":"influxdb","state":"ok","message":"InfluxDB 2.7 answers.","hint":""}`
	const lag = `{"name":"lag","state":"warning","message":"Shard 1 is 90 s behind.","hint":"Start another ingest."}`
	const archive = `{"name":"archive","state":"error","message":"The bucket x does not exist.","hint":"Run userpulse setup --create."}`
	for name, one := range map[string]struct {
		status int
		kind   string
		body   string
		state  backend.HealthStatus
		want   string
		detail string
	}{
		"all well": {200, "application/json", `{"status":"ok","checks":[` + ok + `]}`, backend.HealthStatusOk, "Checked: InfluxDB.", `"name":"influxdb"`},
		"warning": {200, "application/json", `{"checks":[` + ok + `,` + lag + `]}`, backend.HealthStatusOk,
			"Connected to Userpulse, with 1 warning: Kinesis lag: Shard 1 is 90 s behind. Start another ingest.", `{"checks":[`},
		"error": {200, "application/json", `{"checks":[` + lag + `,` + archive + `]}`, backend.HealthStatusError,
			"Archive: The bucket x does not exist. Run userpulse setup --create.", `"verboseMessage":"Archive: The bucket x does not exist. Run userpulse setup --create.\nKinesis lag: `},
		"error with 503":  {503, "application/json", `{"checks":[` + archive + `]}`, backend.HealthStatusError, "Archive: The bucket x", `"state":"error"`},
		"a new state":     {200, "application/json", `{"checks":[{"name":"moon","state":"waning","message":"Half."}]}`, backend.HealthStatusError, "moon: Half.", `"waning"`},
		"a wrong token":   {401, "application/json", `{"error":{"code":"unauthorized","message":"x"}}`, backend.HealthStatusError, "refused the API token", `"checks":[]`},
		"another server":  {200, "text/html", `<html>`, backend.HealthStatusError, "no Userpulse backend", `"checks":[]`},
		"another JSON":    {200, "application/json", `{"hello":1}`, backend.HealthStatusError, "no Userpulse backend", `"checks":[]`},
		"its own failure": {500, "application/json", `{"error":{"code":"internal","message":"Look at the log."}}`, backend.HealthStatusError, "Look at the log.", `"checks":[]`},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFakeBackend(t, respond(one.status, one.kind, one.body))
			got, err := newTestDatasource(t, fake.URL, "{}", "secret").CheckHealth(t.Context(), &backend.CheckHealthRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != one.state || !strings.Contains(got.Message, one.want) {
				t.Errorf("%s: %q", got.Status, got.Message)
			}
			if !strings.Contains(string(got.JSONDetails), one.detail) {
				t.Errorf("details are %s", got.JSONDetails)
			}
			if call := fake.calls()[0]; call.path != "/v1/health" || call.authorization != "Bearer secret" {
				t.Errorf("asked %+v", call)
			}
		})
	}
}

func TestViewersLearnWhetherItWorksAndNotHowItIsSetUp(t *testing.T) {
	const secret = "influxdb.internal:8086"
	for state, want := range map[string]string{"ok": "The data source works.", "error": "does not work. An editor or admin sees why."} {
		fake := newFakeBackend(t, respond(200, "application/json", `{"checks":[{"name":"influxdb","state":"`+state+`","message":"`+secret+`"}]}`))
		datasource := newTestDatasource(t, fake.URL, "{}", "secret")
		for role, sees := range map[string]bool{"Viewer": false, "None": false, "Editor": true, "Admin": true} {
			from := backend.PluginContext{User: &backend.User{Role: role}}
			got, err := datasource.CheckHealth(t.Context(), &backend.CheckHealthRequest{PluginContext: from})
			if err != nil {
				t.Fatal(err)
			}
			if saw := strings.Contains(string(got.JSONDetails), secret); saw != sees {
				t.Errorf("a %s got %q, %s", role, got.Message, got.JSONDetails)
			}
			if !sees && !strings.Contains(got.Message, want) {
				t.Errorf("a %s got %q", role, got.Message)
			}
			var answered int
			sender := backend.CallResourceResponseSenderFunc(func(response *backend.CallResourceResponse) error {
				answered = response.Status
				return nil
			})
			if err := datasource.CallResource(t.Context(), &backend.CallResourceRequest{Method: "GET", Path: "health", URL: "health", PluginContext: from}, sender); err != nil {
				t.Fatal(err)
			}
			if (answered == 200) != sees {
				t.Errorf("a %s got HTTP %d from the resource", role, answered)
			}
		}
	}
}
