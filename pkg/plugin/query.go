package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

const (
	// modelVersion is the version of the saved query this gateway understands.
	modelVersion = 1
	// Limits of the backend's POST /v1/query.
	maxQueriesPerCall = 50
	maxDataPoints     = 1_000_000
	// parallelCalls bounds how many calls one request of Grafana's makes at a time.
	parallelCalls = 4
)

// model is a query as saved in dashboards and alert rules, version 1. What is not listed (hide, datasource, live, key…) is Grafana's or the frontend's.
type model struct {
	Version  int    `json:"version"`
	Timezone string `json:"timezone"`
	Legend   string `json:"legend"`
	forwarded
}

// forwarded is the part of the model that the backend gets, under the names of its POST /v1/query. The backend judges the values.
type forwarded struct {
	Preset string   `json:"preset"`
	IDs    []string `json:"ids,omitempty"`
	Types  []string `json:"types,omitempty"`
	Every  string   `json:"every,omitempty"`
	Calc   string   `json:"calc,omitempty"`
	// GroupBy: absent means by id and type, empty means one sum. omitempty would take one for the other.
	GroupBy   *[]string `json:"groupBy,omitempty"`
	CompareTo string    `json:"compareTo,omitempty"`
	Of        string    `json:"of,omitempty"`
	N         *float64  `json:"n,omitempty"`
}

// call is the body of POST /v1/query.
type call struct {
	From          int64       `json:"from"` // epoch ms
	To            int64       `json:"to"`   // epoch ms
	Timezone      string      `json:"timezone"`
	MaxDataPoints int64       `json:"maxDataPoints,omitempty"`
	IntervalMs    float64     `json:"intervalMs,omitempty"`
	Queries       []callQuery `json:"queries"`
}

type callQuery struct {
	RefID string `json:"refId"`
	forwarded
}

// frameOf is what queries must share to travel in one call.
type frameOf struct {
	from, to, maxDataPoints int64
	intervalMs              float64
	timezone                string
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

	// One call for all queries that share time range and resolution; alert rules send several ranges in one request.
	var order []frameOf
	groups := map[frameOf][]entry{}
	for i, query := range request.Queries {
		parsed, err := parseModel(query.JSON)
		if err != nil {
			response.Responses[query.RefID] = err.dataResponse()
			continue
		}
		shared := sharedFrame(query, parsed)
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
	var parsed model
	if err := json.Unmarshal(raw, &parsed); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return model{}, downstream(http.StatusBadRequest, "bad_request", err, "The saved query cannot be read: %s holds the JSON type %s, and must be a %s. Open the query in the editor and save it again.",
				strings.TrimPrefix(wrong.Field, "forwarded."), wrong.Value, wrong.Type)
		}
		return model{}, downstream(http.StatusBadRequest, "bad_request", err, "The saved query cannot be read (%v). Open the query in the editor and save it again.", err)
	}
	if parsed.Version > modelVersion {
		return model{}, downstream(http.StatusBadRequest, "bad_request", nil, "The query was saved by a newer version of the plugin (query version %d, this plugin knows %d). Update the plugin.", parsed.Version, modelVersion)
	}
	if parsed.Preset == "" {
		return model{}, downstream(http.StatusBadRequest, "bad_request", nil, "The query has no preset. Choose one: made, received, share, everyone or top.")
	}
	if parsed.Timezone == "" {
		parsed.Timezone = "UTC"
	}
	return parsed, nil
}

// callKey keeps to the backend's bounds for a refId (1–64 characters), so that an odd one does not fail the whole call.
func callKey(refID string, position int) string {
	if refID == "" || len(refID) > 64 {
		return "query" + strconv.Itoa(position)
	}
	return refID
}

func sharedFrame(query backend.DataQuery, parsed model) frameOf {
	return frameOf{
		from:          query.TimeRange.From.UnixMilli(),
		to:            query.TimeRange.To.UnixMilli(),
		maxDataPoints: max(0, min(query.MaxDataPoints, maxDataPoints)),
		intervalMs:    max(0, float64(query.Interval.Microseconds())/1000),
		timezone:      parsed.Timezone,
	}
}

// query makes one call and gives one response per entry, in their order.
func (c *client) query(ctx context.Context, shared frameOf, entries []entry) []backend.DataResponse {
	results, err := c.postQuery(ctx, shared, entries)
	responses := make([]backend.DataResponse, len(entries))
	if err != nil {
		var f *failure
		if !errors.As(err, &f) {
			f = &failure{status: http.StatusInternalServerError, source: backend.ErrorSourcePlugin, message: err.Error(), cause: err}
		}
		if (f.status == http.StatusBadRequest || f.status == http.StatusRequestEntityTooLarge) && len(entries) > 1 {
			// The body as a whole was refused, because of one query's form or size (an id of 300 characters, say). Asked one by one, only that
			// one fails.
			for i := range entries {
				responses[i] = c.query(ctx, shared, entries[i:i+1])[0]
			}
			return responses
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

func (c *client) postQuery(ctx context.Context, shared frameOf, entries []entry) (map[string]result, error) {
	body := call{
		From:          shared.from,
		To:            shared.to,
		Timezone:      shared.timezone,
		MaxDataPoints: shared.maxDataPoints,
		IntervalMs:    shared.intervalMs,
		Queries:       make([]callQuery, len(entries)),
	}
	for i, one := range entries {
		body.Queries[i] = callQuery{RefID: one.key, forwarded: one.model.forwarded}
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("the gateway could not encode the request: %w", err)
	}
	got, err := c.do(ctx, http.MethodPost, "query", nil, encoded)
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
