package plugin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/httpclient"
)

// client calls the backend.
type client struct {
	http  *http.Client
	base  *url.URL
	token string
	// sendUser: see do.
	sendUser bool
	timeout  time.Duration
}

// answer is what the backend sent, whole.
type answer struct {
	status      int
	contentType string
	body        []byte
}

// failure is an error as the user reads it: what happened and what to do, with the HTTP status and source that Grafana records.
type failure struct {
	status  int
	source  backend.ErrorSource
	code    string
	message string
	cause   error
}

func (f *failure) Error() string { return f.message }
func (f *failure) Unwrap() error { return f.cause }

func (f *failure) dataResponse() backend.DataResponse {
	return backend.DataResponse{Error: f, Status: backend.Status(f.status), ErrorSource: f.source} // #nosec G115 -- an HTTP status
}

func downstream(status int, code string, cause error, format string, args ...any) *failure {
	return &failure{status: status, source: backend.ErrorSourceDownstream, code: code, message: fmt.Sprintf(format, args...), cause: cause}
}

// do makes one call and reads the whole answer. The error is always a *failure; an answer with any HTTP status is no error here.
// headers come in pairs of name and value. Where the settings say so, the Grafana user it is for is named; a stream (open) is shared by all its viewers.
func (c *client) do(ctx context.Context, method, path string, query url.Values, body []byte, headers ...[2]string) (*answer, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := c.request(limited, method, path, query, body)
	if err != nil {
		return nil, err
	}
	if user := backend.UserFromContext(ctx); c.sendUser && user != nil && user.Login != "" {
		request.Header.Set(userHeader, headerValue(user.Login))
	}
	for _, header := range headers {
		request.Header.Set(header[0], header[1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	// The size is known more often than not: reading into a buffer of that size saves the copies of a growing one.
	var buffer bytes.Buffer
	if response.ContentLength > 0 && response.ContentLength <= maxResponseBytes {
		buffer.Grow(int(response.ContentLength) + bytes.MinRead)
	}
	if _, err := buffer.ReadFrom(response.Body); err != nil {
		return nil, c.explain(ctx, err)
	}
	return &answer{status: response.StatusCode, contentType: response.Header.Get("Content-Type"), body: buffer.Bytes()}, nil
}

// open starts a call whose answer has no end; the caller closes the body. An answer other than 200 is a *failure.
func (c *client) open(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	request, err := c.request(httpclient.WithResponseLimit(ctx, 1<<62), http.MethodGet, path, query, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "text/event-stream")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if response.StatusCode == http.StatusOK && mediaType(response.Header.Get("Content-Type")) == "text/event-stream" {
		return response.Body, nil
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	refused := &answer{status: response.StatusCode, contentType: response.Header.Get("Content-Type"), body: body}
	if refused.status == http.StatusOK {
		return nil, c.notOurs(refused, path)
	}
	return nil, c.refusal(refused, path)
}

// userHeader is what Grafana's own proxy calls it (send_user_header).
const userHeader = "X-Grafana-User"

// headerValue leaves out what no header may hold: with it the whole call would fail.
func headerValue(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
}

func (c *client) request(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Request, error) {
	target := c.base.JoinPath("v1", path)
	target.RawQuery = query.Encode()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), reader)
	if err != nil {
		return nil, &failure{status: http.StatusInternalServerError, source: backend.ErrorSourcePlugin, code: "internal", message: fmt.Sprintf("The gateway could not form a request to %s: %v", target.Redacted(), err), cause: err}
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Accept", "application/json")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	return request, nil
}

// json decodes a 200 answer into value, or says what came instead.
func (c *client) json(a *answer, path string, value any) error {
	if a.status != http.StatusOK {
		return c.refusal(a, path)
	}
	if err := json.Unmarshal(a.body, value); err != nil {
		if looksLikeJSON(a) {
			return downstream(http.StatusBadGateway, "backend_malformed", err, "The Userpulse backend at %s sent an answer that is not of the agreed form (%v). See whether backend and plugin are of the same version.", c.base, err)
		}
		return c.notOurs(a, path)
	}
	return nil
}

// refusal turns an answer other than 200 into what the user reads: the backend's own message where it sent one.
func (c *client) refusal(a *answer, path string) *failure {
	var own struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	// A body of another form leaves the message empty, which is handled below.
	_ = json.Unmarshal(a.body, &own)
	message, code := own.Error.Message, own.Error.Code
	switch {
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		if c.token == "" {
			return downstream(a.status, "unauthorized", nil, "The Userpulse backend at %s wants a token (HTTP %d). Enter the value of its USERPULSE_API_TOKEN as API token in the data source's settings.", c.base, a.status)
		}
		return downstream(a.status, "unauthorized", nil, "The Userpulse backend at %s refused the API token (HTTP %d). Enter the value of its USERPULSE_API_TOKEN again in the data source's settings.", c.base, a.status)
	case message != "":
		return downstream(a.status, code, nil, "%s", message)
	case a.status >= 300 && a.status < 400:
		return downstream(http.StatusBadGateway, "backend_redirect", nil, "%s redirects (HTTP %d) instead of answering. Enter the address it redirects to as URL in the data source's settings.", c.base, a.status)
	case a.status == http.StatusNotFound:
		return c.notOurs(a, path)
	default:
		return downstream(a.status, "backend_failed", nil, "The Userpulse backend at %s answered HTTP %d without saying why%s. Look at its log, and at any proxy before it.", c.base, a.status, excerpt(a.body))
	}
}

func (c *client) notOurs(a *answer, path string) *failure {
	return downstream(http.StatusBadGateway, "backend_not_userpulse", nil, "What answers at %s is no Userpulse backend: /v1/%s gave HTTP %d %s%s. Correct the URL in the data source's settings; the backend listens on USERPULSE_LISTEN, port 8088 by default.",
		c.base, path, a.status, describeType(a), excerpt(a.body))
}

// explain turns a failed call into what the user reads. ctx is the caller's: when it ended, the user went away and nobody is to blame.
func (c *client) explain(ctx context.Context, err error) *failure {
	var (
		dns       *net.DNSError
		timeout   net.Error
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		verify    *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return downstream(499, "aborted", context.Canceled, "The request was cancelled.")
	case errors.Is(err, httpclient.ErrResponseBodyTooLarge):
		return downstream(http.StatusBadGateway, "backend_too_large", err, "The Userpulse backend's answer is larger than the limit (%d MiB, or Grafana's dataproxy.response_limit). Choose a longer window, a shorter time range or fewer ids.", maxResponseBytes>>20)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return downstream(http.StatusGatewayTimeout, "backend_timeout", err, "The Userpulse backend at %s did not answer within %v. Choose a longer window or a shorter time range, or raise the timeout in the data source's settings.", c.base, c.timeout)
	case errors.As(err, &dns):
		return downstream(http.StatusBadGateway, "backend_unreachable", err, "The host name %q of the Userpulse backend is not known to the Grafana server (%v). Correct the URL in the data source's settings.", dns.Name, dns.Err)
	case errors.As(err, &authority), errors.As(err, &hostname), errors.As(err, &invalid), errors.As(err, &verify):
		return downstream(http.StatusBadGateway, "backend_tls", err, "The certificate of the Userpulse backend at %s is not trusted (%v). Give its CA certificate and server name in the data source's settings.", c.base, root(err))
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return downstream(http.StatusBadGateway, "backend_tls", err, "What answers at %s does not speak TLS. Begin the URL with http:// in the data source's settings.", c.base)
	case strings.Contains(err.Error(), "malformed HTTP"):
		return downstream(http.StatusBadGateway, "backend_malformed", err, "What answers at %s does not speak plain HTTP. Correct the URL in the data source's settings; where the backend stands behind TLS, begin it with https://.", c.base)
	default:
		return downstream(http.StatusBadGateway, "backend_unreachable", err, "The Userpulse backend at %s cannot be reached (%v). See whether it runs (userpulse serve, or userpulse start), and whether the URL in the data source's settings is right as seen from the Grafana server.", c.base, root(err))
	}
}

// root is the innermost cause: "connection refused" instead of three layers of Get "http…".
func root(err error) error {
	var operation *net.OpError
	if errors.As(err, &operation) {
		return operation.Err
	}
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}

func mediaType(contentType string) string {
	parsed, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return parsed
}

func looksLikeJSON(a *answer) bool {
	parsed := mediaType(a.contentType)
	return parsed == "application/json" || strings.HasSuffix(parsed, "+json")
}

func describeType(a *answer) string {
	if parsed := mediaType(a.contentType); parsed != "" {
		return "with " + parsed
	}
	return "of unknown type"
}

// excerpt shows the beginning of a body that is not of our form, on one line.
func excerpt(body []byte) string {
	const most = 120
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(body[:min(len(body), 4*most)]), "?")), " ")
	if text == "" {
		return ""
	}
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return fmt.Sprintf(" (%q)", text)
}
