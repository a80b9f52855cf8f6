package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// check is one line of the backend's GET /v1/health.
type check struct {
	Name    string `json:"name"`
	State   string `json:"state"` // ok, warning or error
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// healthDetails is what the config page gets beside the message. Grafana shows verboseMessage by itself.
type healthDetails struct {
	VerboseMessage string  `json:"verboseMessage,omitempty"`
	Checks         []check `json:"checks"`
}

// CheckHealth answers Save & test: what is wrong with which part, and what to do.
func (d *Datasource) CheckHealth(ctx context.Context, request *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	result := d.checkHealth(ctx)
	if mayEdit(request.PluginContext.User) {
		return result, nil
	}
	// Viewers may ask as well. What the checks say names addresses and buckets.
	outcome := "The data source works."
	if result.Status != backend.HealthStatusOk {
		outcome = "The data source does not work. An editor or admin sees why."
	}
	return &backend.CheckHealthResult{Status: result.Status, Message: outcome, JSONDetails: details("", []check{})}, nil
}

func (d *Datasource) checkHealth(ctx context.Context) *backend.CheckHealthResult {
	c, err := d.usable()
	if err != nil {
		return unhealthy(fmt.Sprintf("The data source is not set up: %v.", err))
	}
	got, err := c.do(ctx, http.MethodGet, "health", nil, nil)
	if err != nil {
		return unhealthy(err.Error())
	}
	// The backend may say "unhealthy" by its HTTP status as well; what it found is in the body either way.
	var found struct {
		Checks []check `json:"checks"`
	}
	if err := json.Unmarshal(got.body, &found); err != nil || found.Checks == nil {
		var f *failure
		if err := c.json(got, "health", &found); errors.As(err, &f) {
			return unhealthy(f.message)
		}
		return unhealthy(c.notOurs(got, "health").message)
	}
	return judge(c.base.String(), found.Checks)
}

// judge sums the checks up: errors first, then warnings, each with its way out.
func judge(base string, checks []check) *backend.CheckHealthResult {
	var wrong, doubtful, fine []string
	for _, one := range checks {
		switch one.State {
		case "ok":
			fine = append(fine, title(one.Name))
		case "warning":
			doubtful = append(doubtful, describe(one))
		default:
			// A state not known here is shown rather than taken for good.
			wrong = append(wrong, describe(one))
		}
	}
	result := &backend.CheckHealthResult{Status: backend.HealthStatusOk}
	switch {
	case len(wrong) > 0:
		result.Status = backend.HealthStatusError
		result.Message = strings.Join(wrong, " · ")
	case len(doubtful) > 0:
		result.Message = "Connected to Userpulse, with " + plural(len(doubtful), "warning") + ": " + strings.Join(doubtful, " · ")
	default:
		result.Message = fmt.Sprintf("Connected to Userpulse at %s. Checked: %s.", base, strings.Join(fine, ", "))
	}
	// One finding is the message already; several read better one below the other.
	if findings := append(wrong, doubtful...); len(findings) > 1 {
		result.JSONDetails = details(strings.Join(findings, "\n"), checks)
	} else {
		result.JSONDetails = details("", checks)
	}
	return result
}

func describe(one check) string {
	text := title(one.Name) + ": " + strings.TrimSpace(one.Message)
	if one.Hint != "" {
		text += " " + strings.TrimSpace(one.Hint)
	}
	return text
}

// title is a check's name as a person calls it.
func title(name string) string {
	switch name {
	case "influxdb":
		return "InfluxDB"
	case "buckets":
		return "Buckets"
	case "scheme":
		return "Prefix scheme"
	case "stream":
		return "Kinesis stream"
	case "lag":
		return "Kinesis lag"
	case "archive":
		return "Archive"
	case "checkpoint":
		return "Checkpoint"
	default:
		return name
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func unhealthy(message string) *backend.CheckHealthResult {
	return &backend.CheckHealthResult{Status: backend.HealthStatusError, Message: message, JSONDetails: details("", []check{})}
}

func details(verbose string, checks []check) []byte {
	encoded, err := json.Marshal(healthDetails{VerboseMessage: verbose, Checks: checks})
	if err != nil { // strings and slices of them always encode
		return []byte(`{"checks":[]}`)
	}
	return encoded
}
