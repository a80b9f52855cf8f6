package plugin

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxEventBytes bounds one line and one event of the backend's stream; a window is about 100 bytes.
const maxEventBytes = 1 << 20

// event is one server-sent event.
type event struct {
	name string
	data string
}

// readEvents calls on with every event until the reader ends, and alive with every line, comments (the backend's heartbeat) included. It
// returns io.EOF at an orderly end. The format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
func readEvents(reader io.Reader, alive func(), on func(event) error) error {
	lines := bufio.NewScanner(reader)
	lines.Buffer(make([]byte, 0, 4096), maxEventBytes)
	var (
		name string
		data []string
		size int
	)
	for lines.Scan() {
		alive()
		line := lines.Text()
		if line == "" { // the event is complete; one without data is none
			if data != nil {
				if err := on(event{name: name, data: strings.Join(data, "\n")}); err != nil {
					return err
				}
			}
			name, data, size = "", nil, 0
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			if size += len(value) + 1; size > maxEventBytes {
				return fmt.Errorf("an event is larger than %d bytes", maxEventBytes)
			}
			data = append(data, value)
		default: // a comment (empty field name), id, retry, or something newer
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return fmt.Errorf("a line is longer than %d bytes", maxEventBytes)
		}
		return err
	}
	return io.EOF
}
