package plugin

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// fakeBackend stands in for the Userpulse backend: a handler, and a record of what it was asked.
type fakeBackend struct {
	*httptest.Server
	lock  sync.Mutex
	asked []fakeCall
}

type fakeCall struct {
	method, path, query, authorization string
	cacheControl, user                 string
	body                               string
}

func newFakeBackend(t *testing.T, handler http.HandlerFunc) *fakeBackend {
	t.Helper()
	fake := &fakeBackend{}
	fake.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		fake.lock.Lock()
		fake.asked = append(fake.asked, fakeCall{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Authorization"), r.Header.Get("Cache-Control"), r.Header.Get("X-Grafana-User"), string(body)})
		fake.lock.Unlock()
		handler(w, r)
	}))
	t.Cleanup(fake.Close)
	return fake
}

func (f *fakeBackend) calls() []fakeCall {
	f.lock.Lock()
	defer f.lock.Unlock()
	return append([]fakeCall(nil), f.asked...)
}

func respond(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// answerQueries answers POST /v1/query with one frame per refId, or what special says.
func answerQueries(special map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Queries []struct {
				RefID string `json:"refId"`
			} `json:"queries"`
		}
		_ = json.NewDecoder(r.Body).Decode(&asked)
		parts := make([]string, 0, len(asked.Queries))
		for _, query := range asked.Queries {
			answer, found := special[query.RefID]
			if !found {
				answer = `{"status":200,"frames":[` + fakeFrame(query.RefID) + `]}`
			}
			parts = append(parts, `"`+query.RefID+`":`+answer)
		}
		respond(http.StatusOK, "application/json; charset=utf-8", `{"results":{`+strings.Join(parts, ",")+`}}`)(w, r)
	}
}

// fakeFrame is a frame as the backend sends it.
func fakeFrame(refID string) string {
	return `{"schema":{"refId":"` + refID + `","meta":{"type":"timeseries-wide","typeVersion":[0,1],"executedQueryString":"from(bucket: \"x\")","custom":{"partial":{"first":true,"last":false}},"notices":[{"severity":"warning","text":"clipped"}]},"fields":[` +
		`{"name":"time","type":"time","typeInfo":{"frame":"time.Time"}},` +
		`{"name":"count","type":"number","typeInfo":{"frame":"float64"},"labels":{"id":"88","type":"retweet"},"config":{"displayNameFromDS":"88 retweet"}},` +
		`{"name":"count","type":"number","typeInfo":{"frame":"float64"},"labels":{"id":"88","type":"retweet","compare":"1w"},"config":{"displayNameFromDS":"88 retweet (1w before)"}}` +
		`]},"data":{"values":[[1341100800000,1341104400000],[3,0],[1,2]]}}`
}

func newTestDatasource(t *testing.T, url, jsonData, token string) *Datasource {
	t.Helper()
	instance, err := NewDatasource(t.Context(), testSettings(url, jsonData, token))
	if err != nil {
		t.Fatal(err)
	}
	datasource, ok := instance.(*Datasource)
	if !ok {
		t.Fatalf("the instance is a %T", instance)
	}
	t.Cleanup(datasource.Dispose)
	return datasource
}

func testSettings(url, jsonData, token string) backend.DataSourceInstanceSettings {
	return backend.DataSourceInstanceSettings{
		UID: "userpulse", Name: "Userpulse", Type: ID, URL: url, JSONData: json.RawMessage(jsonData),
		DecryptedSecureJSONData: map[string]string{"apiToken": token}, Updated: time.Now(),
	}
}

func testQuery(refID, model string) backend.DataQuery {
	return backend.DataQuery{
		RefID: refID, MaxDataPoints: 500, Interval: 30 * time.Second, JSON: json.RawMessage(model),
		TimeRange: backend.TimeRange{From: time.UnixMilli(1341100800000), To: time.UnixMilli(1341187200000)},
	}
}

const receivedModel = `{"refId":"A","version":1,"preset":"received","ids":["88"],"types":[],"every":"1h","calc":"count"}`
