package plugin

import (
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

func TestSeriesName(t *testing.T) {
	full := data.Labels{"id": "88", "type": "retweet"}
	earlier := data.Labels{"id": "88", "type": "retweet", "compare": "1w"}
	for _, one := range []struct {
		template string
		labels   data.Labels
		want     string
	}{
		{"", full, "88 retweet"},
		{"", earlier, "88 retweet (1w before)"},
		{"", data.Labels{"id": "88"}, "88"},
		{"", data.Labels{"id": "88", "to": "677", "type": "reply"}, "88 → 677 reply"},
		{"{{id}} to {{to}}", data.Labels{"id": "88", "to": "677"}, "88 to 677"},
		{"", nil, "interactions"},
		{"", data.Labels{"compare": "1w"}, "interactions (1w before)"},
		{"{{type}} by {{ id }}", full, "retweet by 88"},
		{"{{preset}}: {{id}} {{compare}}", earlier, "received: 88 1w before"},
		{"{{preset}}: {{id}} {{compare}}", full, "received: 88"},
		{"{{unknown}}", full, "88 retweet"},
		{"plain", full, "plain"},
		{"{{id}", full, "{{id}"},
		{"{{id}}", data.Labels{"id": "{{type}}", "type": "x"}, "{{type}}"},
	} {
		if got := seriesName(one.template, "received", one.labels); got != one.want {
			t.Errorf("seriesName(%q, %v) = %q, want %q", one.template, one.labels, got, one.want)
		}
	}
}

func TestLegendsAreWrittenToTheFrame(t *testing.T) {
	for _, one := range []struct{ model, first, second string }{
		{receivedModel, "88 retweet", "88 retweet (1w before)"},
		{`{"preset":"received","ids":["88"],"legend":"{{type}} {{compare}}"}`, "retweet", "retweet 1w before"},
	} {
		fake := newFakeBackend(t, answerQueries(nil))
		frame := ask(t, newTestDatasource(t, fake.URL, "{}", ""), testQuery("A", one.model))["A"].Frames[0]
		if frame.Fields[1].Config.DisplayNameFromDS != one.first || frame.Fields[2].Config.DisplayNameFromDS != one.second {
			t.Errorf("legends are %q and %q", frame.Fields[1].Config.DisplayNameFromDS, frame.Fields[2].Config.DisplayNameFromDS)
		}
		if frame.Fields[0].Config != nil && frame.Fields[0].Config.DisplayNameFromDS != "" {
			t.Errorf("the time field is called %q", frame.Fields[0].Config.DisplayNameFromDS)
		}
	}
}

func TestATablesColumnsKeepTheirNames(t *testing.T) {
	fake := newFakeBackend(t, answerQueries(map[string]string{"A": `{"frames":[{"schema":{"meta":{"type":"table"},"fields":[{"name":"id","typeInfo":{"frame":"string"}},{"name":"count","typeInfo":{"frame":"int64"}}]},"data":{"values":[["9223372036854775807"],[35988]]}}]}`}))
	result := ask(t, newTestDatasource(t, fake.URL, "{}", ""), testQuery("A", `{"preset":"top","of":"received","n":1,"legend":"{{id}}"}`))["A"]
	if result.Status != backend.StatusOK || result.Frames[0].Fields[1].Config != nil {
		t.Errorf("got %+v", result)
	}
	if id, _ := result.Frames[0].Fields[0].ConcreteAt(0); id != "9223372036854775807" {
		t.Errorf("id is %v", id)
	}
}

// Whatever the backend sends, the gateway neither panics nor passes on a frame that Grafana could not encode.
func FuzzDecodeFrame(f *testing.F) {
	f.Add([]byte(fakeFrame("A")))
	f.Add([]byte(`{"schema":{"fields":[{"name":"n","typeInfo":{"frame":"int64","nullable":true}}]},"data":{"values":[[1,null]]}}`))
	f.Add([]byte(`{"data":{"values":[[1]]},"schema":{"fields":[]}}`))
	f.Add([]byte(`{"schema":{"fields":[{"typeInfo":{"frame":"enum"}}]},"data":{"values":[[1]],"entities":[{"NaN":[9]}],"nanos":[[1,2]]}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		frame, err := decodeFrame(raw)
		if err != nil {
			return
		}
		nameSeries(frame, "{{id}}", "made")
		if _, err := frame.MarshalArrow(); err != nil {
			t.Fatalf("accepted, but cannot be encoded: %v", err)
		}
	})
}
