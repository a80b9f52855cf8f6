package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/httpclient"
)

const (
	defaultTimeout = 30 * time.Second
	maxTimeout     = 600 * time.Second
	// maxResponseBytes bounds one answer of the backend: 100 series of 11,000 windows (the backend's own limits) are about 12 MB of JSON.
	maxResponseBytes = 64 << 20
)

// settings are the data source's settings after validation.
type settings struct {
	base    *url.URL
	timeout time.Duration
	token   string
	// sendUser: calls name the Grafana user they are for.
	sendUser bool
	options  httpclient.Options
}

// seconds is a number of seconds as a form may have stored it: a number, a string of digits, or nothing.
type seconds float64

func (s *seconds) UnmarshalJSON(raw []byte) error {
	text := strings.Trim(string(raw), `"`)
	if text == "" || text == "null" {
		return nil
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("%s is no number", raw)
	}
	*s = seconds(value)
	return nil
}

// loadSettings validates what Grafana stored. Its errors say which setting is wrong and what to enter.
func loadSettings(ctx context.Context, raw backend.DataSourceInstanceSettings) (settings, error) {
	base, err := parseBaseURL(raw.URL)
	if err != nil {
		return settings{}, err
	}
	timeout, sendUser, err := parseOwn(raw.JSONData)
	if err != nil {
		return settings{}, err
	}
	options, err := httpOptions(ctx, raw)
	if err != nil {
		return settings{}, err
	}
	token := strings.TrimSpace(raw.DecryptedSecureJSONData["apiToken"])
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return settings{}, fmt.Errorf("the API token holds a character that no token has (a space, line break or letter beyond ASCII): enter it again in the data source's settings")
	}
	return settings{base: base, timeout: timeout, token: token, sendUser: sendUser, options: options}, nil
}

func parseBaseURL(text string) (*url.URL, error) {
	const hint = "enter the Userpulse backend's address in the data source's settings, for example http://userpulse:8088"
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, fmt.Errorf("the URL is missing: %s", hint)
	}
	// The text is repeated nowhere: users who may only query see these messages, and credentials may stand in any part of it.
	if strings.Contains(text, "@") {
		return nil, fmt.Errorf("the URL holds a user name or password: take it out and %s", hint)
	}
	base, err := url.Parse(text)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("the URL is no http or https address: %s", hint)
	}
	if base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("the URL has a query string or fragment: %s", hint)
	}
	return base, nil
}

// parseOwn reads what jsonData has beside the settings of every data source.
func parseOwn(jsonData json.RawMessage) (timeout time.Duration, sendUser bool, err error) {
	const hint = "enter a number of seconds from 1 to 600 in the data source's settings"
	if len(jsonData) == 0 {
		return defaultTimeout, false, nil
	}
	var own struct {
		Timeout  seconds `json:"timeout"`
		SendUser bool    `json:"sendUser"`
	}
	if err := json.Unmarshal(jsonData, &own); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field == "sendUser" {
			return 0, false, fmt.Errorf("jsonData.sendUser is a %s: give true or false in the data source's settings", wrong.Value)
		}
		return 0, false, fmt.Errorf("the settings cannot be read (jsonData.timeout: %w): %s", err, hint)
	}
	if own.Timeout == 0 {
		return defaultTimeout, own.SendUser, nil
	}
	// Compared as seconds: a huge number would overflow as a Duration.
	if own.Timeout < 1 || own.Timeout > seconds(maxTimeout/time.Second) {
		return 0, false, fmt.Errorf("the timeout of %v s is out of bounds: %s", float64(own.Timeout), hint)
	}
	return time.Duration(float64(own.Timeout) * float64(time.Second)), own.SendUser, nil
}

// httpOptions reads TLS, proxy and header settings with the SDK. The SDK asserts types without asking (a serverName that is a number panics), and
// provisioning files are written by hand, so a panic becomes an error here.
func httpOptions(ctx context.Context, raw backend.DataSourceInstanceSettings) (options httpclient.Options, err error) {
	const hint = "check the TLS options in the data source's settings"
	defer func() {
		if failure := recover(); failure != nil {
			err = fmt.Errorf("a setting has a value of the wrong type (%v): %s", failure, hint)
		}
	}()
	if len(raw.JSONData) == 0 {
		raw.JSONData = json.RawMessage("{}")
	}
	options, err = raw.HTTPClientOptions(ctx)
	if err != nil {
		return httpclient.Options{}, fmt.Errorf("the settings cannot be used (%w): %s", err, hint)
	}
	return options, nil
}

// newClient makes the HTTP client of the settings.
func newClient(s settings) (*client, error) {
	options := s.options
	if options.Timeouts == nil {
		timeouts := httpclient.DefaultTimeoutOptions
		options.Timeouts = &timeouts
	}
	// A stream has no end, so the client as a whole has no time limit: calls are limited one by one (client.do), and how long
	// the answer's head may take is limited for both.
	options.Timeouts.Timeout = 0
	options.ConfigureTransport = func(_ httpclient.Options, transport *http.Transport) {
		transport.ResponseHeaderTimeout = s.timeout
	}
	if s.token != "" {
		options.BasicAuth = nil // both use the same header
	}
	options.Middlewares = []httpclient.Middleware{
		httpclient.TracingMiddleware(nil),
		httpclient.DataSourceMetricsMiddleware(),
		httpclient.BasicAuthenticationMiddleware(),
		httpclient.CustomHeadersMiddleware(),
		httpclient.UserAgentMiddleware(),
		httpclient.ContextualMiddleware(),
		httpclient.ErrorSourceMiddleware(),
		httpclient.ResponseLimitMiddleware(maxResponseBytes),
	}
	h, err := httpclient.New(options)
	if err != nil {
		return nil, fmt.Errorf("the TLS settings cannot be used (%w): check certificates and key in the data source's settings", err)
	}
	// A redirect turns a POST into a GET and hides a wrong URL: it is reported instead of followed.
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{http: h, base: s.base, token: s.token, sendUser: s.sendUser, timeout: s.timeout}, nil
}
