package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

const (
	// Limits of the backend's POST /v1/query.
	maxQueriesPerCall = 50
	maxDataPoints     = 1_000_000
	// fromAlert is the header that Grafana's alerting sends with the queries of its rules. A rule must not fire on the edge of its range, where a
	// window has only begun: it sees whole windows only. And it must not judge by an answer that the backend gave a moment ago: it asks for its own.
	fromAlert = "FromAlert"
	// parallelCalls bounds how many calls one request of Grafana's makes at a time.
	parallelCalls = 4
)

// model is a query as saved in dashboards and alert rules. The backend gets it whole, fields that it may not know included, and judges it; the gateway
// itself reads only what names the series.
type model struct {
	saved  map[string]json.RawMessage
	preset string
	legend string
}

// call is the body of POST /v1/query.
type call struct {
	From          int64                        `json:"from"` // epoch ms
	To            int64                        `json:"to"`   // epoch ms
	MaxDataPoints int64                        `json:"maxDataPoints,omitempty"`
	IntervalMs    float64                      `json:"intervalMs,omitempty"`
	Queries       []map[string]json.RawMessage `json:"queries"`
}

// frameOf is what queries must share to travel in one call.
type frameOf struct {
	from, to, maxDataPoints int64
	intervalMs              float64
	fresh                   bool
}

// entry is one query on its way. key is its refId, or a stand-in where the backend would not take that.
type entry struct {
	refID string
	key   string
	model model
}

// QueryData answers a panel, an alert rule, or Explore. Each query fails alone.
func (d *Datasource) QueryData(ctx context.Context, request *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	response := backend.NewQueryDataResponse()
	c, err := d.usable()
	if err != nil {
		for _, query := range request.Queries {
			response.Responses[query.RefID] = downstream(http.StatusBadRequest, "config_invalid", err, "The data source is not set up: %v.", err).dataResponse()
		}
		return response, nil
	}

	alert := request.Headers[fromAlert] == "true"
	// One call for all queries that share time range and resolution; alert rules send several ranges in one request.
	var order []frameOf
	groups := map[frameOf][]entry{}
	for i, query := range request.Queries {
		parsed, err := parseModel(query.JSON)
		if err != nil {
			response.Responses[query.RefID] = err.dataResponse()
			continue
		}
		if alert {
			parsed.saved["incomplete"] = json.RawMessage(`"hide"`)
		}
		shared := sharedFrame(query)
		shared.fresh = alert
		if _, known := groups[shared]; !known {
			order = append(order, shared)
		}
		groups[shared] = append(groups[shared], entry{refID: query.RefID, key: callKey(query.RefID, i), model: parsed})
	}

	var (
		lock   sync.Mutex
		calls  sync.WaitGroup
		places = make(chan struct{}, parallelCalls)
	)
	for _, shared := range order {
		for entries := groups[shared]; len(entries) > 0; entries = entries[min(len(entries), maxQueriesPerCall):] {
			part := entries[:min(len(entries), maxQueriesPerCall)]
			calls.Add(1)
			places <- struct{}{}
			go func() {
				defer func() { <-places; calls.Done() }()
				answers := c.query(ctx, shared, part)
				lock.Lock()
				defer lock.Unlock()
				for i, one := range part {
					response.Responses[one.refID] = answers[i]
				}
			}()
		}
	}
	calls.Wait()
	return response, nil
}

func parseModel(raw json.RawMessage) (model, *failure) {
	var saved map[string]json.RawMessage
	if err := json.Unmarshal(raw, &saved); err != nil {
		return model{}, downstream(http.StatusBadRequest, "bad_request", err, "The saved query is not a JSON object. Open the query in the editor and save it again.")
	}
	if saved == nil { // JSON's null
		saved = map[string]json.RawMessage{}
	}
	return model{saved: saved, preset: textOf(saved["preset"]), legend: textOf(saved["legend"])}, nil
}

// textOf is the string that a JSON value holds, and empty for any other: the backend says what is wrong with that.
func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// forward is the query for the backend: as it was saved, under the name of this call.
func (e entry) forward() map[string]json.RawMessage {
	query := maps.Clone(e.model.saved)
	name, _ := json.Marshal(e.key) // a string always encodes
	query["refId"] = name
	return query
}

// callKey keeps to the backend's bounds for a refId (1–64 characters), so that an odd one does not fail the whole call.
func callKey(refID string, position int) string {
	if refID == "" || len(refID) > 64 {
		return "query" + strconv.Itoa(position)
	}
	return refID
}

func sharedFrame(query backend.DataQuery) frameOf {
	return frameOf{
		from:          query.TimeRange.From.UnixMilli(),
		to:            query.TimeRange.To.UnixMilli(),
		maxDataPoints: max(0, min(query.MaxDataPoints, maxDataPoints)),
		intervalMs:    max(0, float64(query.Interval.Microseconds())/1000),
	}
}

// query makes one call and gives one response per entry, in their order. A panic becomes the error of the query that causes it.
func (c *client) query(ctx context.Context, shared frameOf, entries []entry) (responses []backend.DataResponse) {
	defer func() {
		if value := recover(); value != nil {
			failed := panicked("a query", value)
			if responses = []backend.DataResponse{failed.dataResponse()}; len(entries) > 1 {
				responses = c.oneByOne(ctx, shared, entries)
			}
		}
	}()
	results, err := c.postQuery(ctx, shared, entries)
	responses = make([]backend.DataResponse, len(entries))
	if err != nil {
		var f *failure
		if !errors.As(err, &f) {
			f = &failure{status: http.StatusInternalServerError, source: backend.ErrorSourcePlugin, message: err.Error(), cause: err}
		}
		if (f.status == http.StatusBadRequest || f.status == http.StatusRequestEntityTooLarge) && len(entries) > 1 {
			// The body as a whole was refused, because of one query's form or size (an id of 300 characters, say). Asked one by one, only that
			// one fails.
			return c.oneByOne(ctx, shared, entries)
		}
		for i := range entries {
			responses[i] = f.dataResponse()
		}
		return responses
	}
	for i, one := range entries {
		result, found := results[one.key]
		if !found {
			responses[i] = downstream(http.StatusBadGateway, "backend_malformed", nil, "The Userpulse backend at %s sent no result for query %s. See whether backend and plugin are of the same version.", c.base, one.refID).dataResponse()
			continue
		}
		responses[i] = toDataResponse(result, one)
	}
	return responses
}

func (c *client) oneByOne(ctx context.Context, shared frameOf, entries []entry) []backend.DataResponse {
	responses := make([]backend.DataResponse, len(entries))
	for i := range entries {
		responses[i] = c.query(ctx, shared, entries[i:i+1])[0]
	}
	return responses
}

func (c *client) postQuery(ctx context.Context, shared frameOf, entries []entry) (map[string]result, error) {
	body := call{
		From:          shared.from,
		To:            shared.to,
		MaxDataPoints: shared.maxDataPoints,
		IntervalMs:    shared.intervalMs,
		Queries:       make([]map[string]json.RawMessage, len(entries)),
	}
	for i, one := range entries {
		body.Queries[i] = one.forward()
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("the gateway could not encode the request: %w", err)
	}
	var headers [][2]string
	if shared.fresh {
		headers = append(headers, [2]string{"Cache-Control", "no-cache"})
	}
	got, err := c.do(ctx, http.MethodPost, "query", nil, encoded, headers...)
	if err != nil {
		return nil, err
	}
	var decoded struct {
		Results map[string]result `json:"results"`
	}
	if err := c.json(got, "query", &decoded); err != nil {
		return nil, err
	}
	return decoded.Results, nil
}
