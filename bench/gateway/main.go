// Command gateway measures what the gateway adds to the backend's own time for a series of 1,000 points: each round asks the backend over HTTP, then the
// same through the gateway as Grafana does (gRPC, frames decoded), and the differences are summed up.
//
//	go run -tags arrow_json_stdlib ./bench/gateway --gateway dist/gpx_userpulse_linux_amd64
//
// Without --backend-url a server in this process answers with ready bytes, so that nothing but the gateway's own work differs.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"userpulse/host/gohost/pluginclient"
	"userpulse/pkg/plugin"
)

const (
	points  = 1000
	every   = time.Minute
	targetP = 3 * time.Millisecond
)

type options struct {
	gateway, backendURL, token, id string
	to                             int64
	rounds                         int
	json                           bool
}

func main() {
	o := options{}
	flag.StringVar(&o.gateway, "gateway", "", "path of the gateway binary (`make build-gateway`)")
	flag.StringVar(&o.backendURL, "backend-url", "", "a running backend; default: a server of ready answers in this process")
	flag.StringVar(&o.token, "token", os.Getenv("USERPULSE_API_TOKEN"), "API token of the backend; default: USERPULSE_API_TOKEN")
	flag.StringVar(&o.id, "id", "88", "user id to ask for")
	flag.Int64Var(&o.to, "to", 1341705593000, "end of the range, epoch ms")
	flag.IntVar(&o.rounds, "rounds", 1000, "rounds measured, after a tenth as many to warm up")
	flag.BoolVar(&o.json, "json", false, "print milliseconds as JSON, for bench/gateway/part.ts")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "bench/gateway:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.rounds < 1 {
		return errors.New("--rounds must be 1 or more")
	}
	if o.backendURL == "" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: readyAnswers(o), ReadHeaderTimeout: time.Second}
		defer func() { _ = server.Close() }()
		go func() { _ = server.Serve(listener) }()
		o.backendURL = "http://" + listener.Addr().String()
	}
	gateway, err := pluginclient.Start(pluginclient.Options{Path: o.gateway})
	if err != nil {
		return err
	}
	defer gateway.Close()

	ask := question{o: o, http: &http.Client{}, gateway: gateway, plugin: backend.PluginContext{
		OrgID: 1, PluginID: plugin.ID,
		DataSourceInstanceSettings: &backend.DataSourceInstanceSettings{
			ID: 1, UID: "userpulse", URL: o.backendURL, JSONData: json.RawMessage("{}"),
			DecryptedSecureJSONData: map[string]string{"apiToken": o.token}, Updated: time.Now(),
		},
	}}
	var direct, through, added []time.Duration
	for round := range o.rounds + o.rounds/10 + 1 {
		alone, err := timed(func() error { return ask.backend(ctx) })
		if err != nil {
			return err
		}
		whole, err := timed(func() error { return ask.throughGateway(ctx) })
		if err != nil {
			return err
		}
		if round > o.rounds/10 {
			direct, through, added = append(direct, alone), append(through, whole), append(added, whole-alone)
		}
	}
	if o.json {
		figures := map[string]map[string]float64{}
		for name, all := range map[string][]time.Duration{"direct": direct, "through": through, "added": added} {
			figures[name] = map[string]float64{}
			for _, p := range []int{50, 95, 99} {
				figures[name]["p"+strconv.Itoa(p)] = float64(percentile(all, p).Microseconds()) / 1000
			}
		}
		return json.NewEncoder(os.Stdout).Encode(figures)
	}
	fmt.Printf("%d rounds, one series of %d points, backend %s\n", o.rounds, points, o.backendURL)
	fmt.Printf("%-18s %10s %10s %10s\n", "", "p50", "p95", "p99")
	for _, row := range []struct {
		name string
		all  []time.Duration
	}{{"backend alone", direct}, {"through gateway", through}, {"added", added}} {
		fmt.Printf("%-18s %10s %10s %10s\n", row.name, ms(percentile(row.all, 50)), ms(percentile(row.all, 95)), ms(percentile(row.all, 99)))
	}
	verdict := "within"
	if percentile(added, 50) > targetP {
		verdict = "beyond"
	}
	fmt.Printf("added p50 is %s the target of %s\n", verdict, ms(targetP))
	return nil
}

func timed(work func() error) (time.Duration, error) {
	begin := time.Now()
	err := work()
	return time.Since(begin), err
}

func percentile(all []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

func ms(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 2, 64) + " ms"
}

// question is one question, asked either way.
type question struct {
	o       options
	http    *http.Client
	gateway *pluginclient.Plugin
	plugin  backend.PluginContext
}

func (q question) model() string {
	return `"refId":"A","preset":"received","ids":["` + q.o.id + `"],"types":[],"every":"1m","calc":"count","groupBy":["id"]`
}

func (q question) timeRange() (from, to time.Time) {
	to = time.UnixMilli(q.o.to).Truncate(every)
	return to.Add(-points * every), to
}

func (q question) backend(ctx context.Context) error {
	from, to := q.timeRange()
	body := fmt.Sprintf(`{"from":%d,"to":%d,"timezone":"UTC","maxDataPoints":%d,"intervalMs":60000,"queries":[{%s}]}`, from.UnixMilli(), to.UnixMilli(), points, q.model())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, q.o.backendURL+"/v1/query", strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if q.o.token != "" {
		request.Header.Set("Authorization", "Bearer "+q.o.token)
	}
	response, err := q.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`"error"`)) {
		return fmt.Errorf("the backend answered %d: %.300s", response.StatusCode, answer)
	}
	return nil
}

func (q question) throughGateway(ctx context.Context) error {
	from, to := q.timeRange()
	response, err := q.gateway.QueryData(ctx, &backend.QueryDataRequest{PluginContext: q.plugin, Queries: []backend.DataQuery{{
		RefID: "A", MaxDataPoints: points, Interval: every, TimeRange: backend.TimeRange{From: from, To: to},
		JSON: json.RawMessage(`{"version":1,` + q.model() + `}`),
	}}})
	if err != nil {
		return err
	}
	result := response.Responses["A"]
	if result.Error != nil {
		return result.Error
	}
	if len(result.Frames) != 1 || result.Frames[0].Rows() != points {
		return fmt.Errorf("the answer does not hold %d points", points)
	}
	return nil
}

// readyAnswers is a backend that takes no time.
func readyAnswers(o options) http.Handler {
	from, _ := question{o: o}.timeRange()
	random := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- made-up counts
	times, counts := make([]int64, points), make([]int, points)
	for i := range times {
		times[i], counts[i] = from.Add(time.Duration(i)*every).UnixMilli(), random.IntN(200)
	}
	values, err := json.Marshal([]any{times, counts})
	if err != nil {
		panic(err) // numbers always encode
	}
	answer := []byte(`{"results":{"A":{"status":200,"frames":[{"schema":{"refId":"A","meta":{"type":"timeseries-wide","typeVersion":[0,1],"executedQueryString":"` + strings.Repeat("flux ", 100) + `","custom":{"partial":{"first":false,"last":false}}},"fields":[` +
		`{"name":"time","type":"time","typeInfo":{"frame":"time.Time"},"config":{"interval":60000}},{"name":"count","type":"number","typeInfo":{"frame":"float64"},"labels":{"id":"88"},"config":{"displayNameFromDS":"88"}}]},"data":{"values":` + string(values) + `}}]}}}`)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer)
	})
}
