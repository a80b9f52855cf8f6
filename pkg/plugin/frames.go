package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// result is one query's part of the answer to POST /v1/query.
type result struct {
	Error     string            `json:"error"`
	ErrorCode string            `json:"errorCode"`
	Status    int               `json:"status"`
	Frames    []json.RawMessage `json:"frames"`
}

func toDataResponse(r result, one entry) backend.DataResponse {
	if r.Error != "" {
		status := r.Status
		if status < 400 || status > 599 {
			status = http.StatusBadGateway
		}
		// What a query got wrong and what InfluxDB got wrong are both not this plugin's fault.
		return downstream(status, r.ErrorCode, nil, "%s", r.Error).dataResponse()
	}
	frames := make(data.Frames, 0, len(r.Frames))
	for _, raw := range r.Frames {
		frame, err := decodeFrame(raw)
		if err != nil {
			return downstream(http.StatusBadGateway, "backend_malformed", err, "The Userpulse backend sent a frame that cannot be read (%v). See whether backend and plugin are of the same version.", err).dataResponse()
		}
		frame.RefID = one.refID
		nameSeries(frame, one.model.legend, one.model.preset)
		frames = append(frames, frame)
	}
	return backend.DataResponse{Frames: frames, Status: backend.StatusOK}
}

// decodeFrame reads data-frame JSON (one JSON value, as json.RawMessage holds it) and makes sure that Grafana can use it: the SDK's decoder panics on some
// malformed input, and a frame with fields of unequal length would only fail later, when it is encoded, and take all other queries' results with it.
func decodeFrame(raw []byte) (frame *data.Frame, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			frame, err = nil, fmt.Errorf("malformed frame: %v", failure)
		}
	}()
	if string(raw) == "null" {
		return nil, errors.New("it is null")
	}
	frame = &data.Frame{}
	// Not json.Unmarshal, which would read the whole frame twice more to find its end; that it is JSON is known.
	if err := frame.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	if _, err := frame.RowLen(); err != nil {
		return nil, err
	}
	return frame, nil
}
