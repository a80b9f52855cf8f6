package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

const (
	livePrefix = "live/"
	// gather is how long windows are gathered into one frame: the backend sends a tick's windows as one event each.
	gather = 50 * time.Millisecond
	// silence ends a connection on which not even a heartbeat came: the backend sends one every 2 s.
	silence = 6 * time.Second
	// Reconnecting: full jitter up to a ceiling that doubles.
	firstBackOff = 500 * time.Millisecond
	lastBackOff  = 30 * time.Second
)

// liveQuery is the query of a live channel: the fields that the gateway reads, and all that it forwards. See pkg/README.md for how path and data are made.
type liveQuery struct {
	Preset  string    `json:"preset"`
	IDs     []string  `json:"ids"`
	Types   []string  `json:"types"`
	GroupBy *[]string `json:"groupBy"`
	Legend  string    `json:"legend"`

	parameters url.Values
}

// counterpart is whom an id's interactions were made to, where the query is about two users.
func (q liveQuery) counterpart(id string) string {
	if q.Preset != "pair" {
		return ""
	}
	for _, other := range q.IDs {
		if other != id {
			return other
		}
	}
	return ""
}

// applied are the fields of a live query that the gateway applies to what the backend streams. All others are parameters of the backend's stream.
var applied = map[string]bool{"groupBy": true, "legend": true}

// unique counts different people, who cannot be added up: the backend itself must group what is not told apart.
const unique = "unique"

// parseLive reads a channel's query and makes sure it is the one the path stands for: subscribers of a channel share one stream, whose query is
// whatever its first subscriber sent.
func parseLive(path string, raw json.RawMessage) (liveQuery, error) {
	sum, found := strings.CutPrefix(path, livePrefix)
	if !found {
		return liveQuery{}, fmt.Errorf("there is no live channel %q; live channels begin with %s", path, livePrefix)
	}
	var envelope struct {
		Query string `json:"query"`
	}
	if err := json.Unmarshal(raw, &envelope); err != nil || envelope.Query == "" {
		return liveQuery{}, errors.New(`a live channel needs its query as data: {"query": "…"}`)
	}
	if sum != liveHash(envelope.Query) {
		return liveQuery{}, fmt.Errorf("the live channel %q does not belong to the query sent with it", path)
	}
	var query liveQuery
	if err := json.Unmarshal([]byte(envelope.Query), &query); err != nil {
		return liveQuery{}, fmt.Errorf("the live channel's query cannot be read: %w", err)
	}
	if query.Preset == "" {
		return liveQuery{}, errors.New("the live channel's query has no preset")
	}
	var err error
	if query.parameters, err = streamParameters(envelope.Query); err != nil {
		return liveQuery{}, fmt.Errorf("the live channel's query cannot be read: %w", err)
	}
	return query, nil
}

func liveHash(text string) string {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(text)) // never fails
	return fmt.Sprintf("%016x", sum.Sum64())
}

// streamParameters turns the fields of a query into those of GET /v1/stream, whatever they are: the backend refuses what it does not know.
func streamParameters(text string) (url.Values, error) {
	var fields map[string]any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		return nil, err
	}
	parameters := url.Values{}
	for name, value := range fields {
		grouped := name == "groupBy" && fields["calc"] == unique
		if (applied[name] && !grouped) || value == nil {
			continue
		}
		list, isList := value.([]any)
		if !isList {
			list = []any{value}
		}
		words := make([]string, len(list))
		for i, one := range list {
			words[i] = fmt.Sprint(one)
		}
		joined := strings.Join(words, ",")
		if grouped && joined == "" {
			joined = "none"
		}
		if joined != "" {
			parameters.Set(name, joined)
		}
	}
	return parameters, nil
}

// SubscribeStream lets everyone listen who may query the data source (Grafana has checked that), to a channel that makes sense.
func (d *Datasource) SubscribeStream(_ context.Context, request *backend.SubscribeStreamRequest) (*backend.SubscribeStreamResponse, error) {
	if _, err := parseLive(request.Path, request.Data); err != nil {
		backend.Logger.Warn("A subscription to a live channel was refused", "path", request.Path, "reason", err.Error())
		return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusNotFound}, nil
	}
	return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusOK}, nil
}

// PublishStream is always denied: live channels carry what the backend says.
func (d *Datasource) PublishStream(context.Context, *backend.PublishStreamRequest) (*backend.PublishStreamResponse, error) {
	return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusPermissionDenied}, nil
}

// RunStream follows the backend's stream until ctx ends, which Grafana does when the last subscriber leaves. Trouble on the way reaches the subscribers as
// a frame with a notice, once per message, and the connection is tried again.
func (d *Datasource) RunStream(ctx context.Context, request *backend.RunStreamRequest, sender *backend.StreamSender) error {
	query, err := parseLive(request.Path, request.Data)
	if err != nil {
		return err
	}
	c, err := d.usable()
	if err != nil {
		if err := sender.SendFrame(noticeFrame(data.NoticeSeverityError, fmt.Sprintf("The data source is not set up: %v.", err)), data.IncludeAll); err != nil {
			return err
		}
		<-ctx.Done() // new settings make a new instance, and Grafana starts its streams anew
		return nil
	}
	told := ""
	failures := 0
	for ctx.Err() == nil {
		err := c.follow(ctx, query, func(frame *data.Frame) error {
			told, failures = "", 0
			return sender.SendFrame(frame, data.IncludeAll)
		})
		if ctx.Err() != nil {
			return nil
		}
		var gone senderError
		if errors.As(err, &gone) {
			return gone.err
		}
		if text := "Live updates are interrupted, and tried again by themselves: " + err.Error(); text != told && !isOrderly(err, failures) {
			told = text
			if err := sender.SendFrame(noticeFrame(data.NoticeSeverityWarning, text), data.IncludeAll); err != nil {
				return err
			}
		}
		if !wait(ctx, backOff(failures)) {
			return nil
		}
		failures++
	}
	return nil
}

// isOrderly tells a backend that ended a working stream (a restart, say) from one that fails: the first is not worth a notice unless it goes on.
func isOrderly(err error, failures int) bool {
	return errors.Is(err, io.EOF) && failures == 0
}

func backOff(failures int) time.Duration {
	ceiling := lastBackOff
	if failures < 6 { // 0.5 s · 2⁶ is beyond the last
		ceiling = firstBackOff << failures
	}
	return rand.N(ceiling) + 1 // #nosec G404 -- jitter
}

// wait says whether the time passed; false when ctx ended.
func wait(ctx context.Context, duration time.Duration) bool {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// senderError marks an error of Grafana's side of the stream, which ends it.
type senderError struct{ err error }

func (e senderError) Error() string { return e.err.Error() }

// follow makes one connection and sends its frames until it ends. It always returns an error; every goroutine it started has ended by then.
func (c *client) follow(ctx context.Context, query liveQuery, send func(*data.Frame) error) error {
	connection, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body, err := c.open(connection, "stream", query.parameters)
	if err != nil {
		return err
	}
	errSilent := downstream(http.StatusGatewayTimeout, "backend_timeout", nil, "the Userpulse backend at %s sent nothing for %v", c.base, silence)
	watch := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watch.Stop()

	windows := make(chan window, 64)
	ended := make(chan error, 1)
	go func() {
		defer close(windows)
		defer func() { _ = body.Close() }()
		defer func() {
			if value := recover(); value != nil {
				ended <- panicked("a live stream", value)
			}
		}()
		ended <- readEvents(body, func() { watch.Reset(silence) }, func(e event) error {
			switch e.name {
			case "window":
				var w window
				if err := json.Unmarshal([]byte(e.data), &w); err != nil {
					return fmt.Errorf("the Userpulse backend at %s sent a live window that cannot be read (%w)", c.base, err)
				}
				select {
				case windows <- w:
					return nil
				case <-connection.Done():
					return connection.Err()
				}
			case "error":
				return errors.New(streamMessage(e.data))
			default:
				return nil
			}
		})
	}()

	err = gatherFrames(windows, newLiveWindows(query), send)
	cancel(nil)
	for range windows { // until the reader has ended
	}
	readErr := <-ended
	switch {
	case err != nil:
		return senderError{err}
	case errors.Is(context.Cause(connection), errSilent):
		return errSilent
	case errors.Is(readErr, io.EOF):
		return fmt.Errorf("the Userpulse backend at %s ended the stream (%w)", c.base, readErr)
	default:
		return readErr
	}
}

// gatherFrames sends one frame per tick, until windows is closed (nil) or sending fails.
func gatherFrames(windows <-chan window, live *liveWindows, send func(*data.Frame) error) error {
	var tick <-chan time.Time
	flush := func() error {
		tick = nil
		if frame := live.frame(); frame != nil {
			return send(frame)
		}
		return nil
	}
	for {
		select {
		case w, more := <-windows:
			if !more {
				return flush()
			}
			live.add(w)
			if tick == nil {
				tick = time.After(gather)
			}
		case <-tick:
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// streamMessage reads the message of an `error` event, {error:{message}} or plain text.
func streamMessage(text string) string {
	var own struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
		Message string `json:"message"`
	}
	if json.Unmarshal([]byte(text), &own) == nil {
		if own.Error.Message != "" {
			return own.Error.Message
		}
		if own.Message != "" {
			return own.Message
		}
	}
	return text
}
