package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// resource is what may be asked of the backend.
type resource struct {
	method string
	// editors says that viewers may not call it.
	editors bool
}

// resources is what editor and variables may ask of the backend: a closed list, because whatever is on it can be called by every user who may query.
var resources = map[string]resource{
	"types":     {method: http.MethodGet},
	"top":       {method: http.MethodGet},
	"who":       {method: http.MethodGet},
	"schema":    {method: http.MethodGet},
	"translate": {method: http.MethodPost},
	// It names InfluxDB's address and organisation, stream, archive and checkpoint.
	"health": {method: http.MethodGet, editors: true},
}

// mayEdit says whether a user has a role that sees how the data source is set up. A request without a user comes from Grafana itself.
func mayEdit(user *backend.User) bool {
	return user == nil || user.Role == "Editor" || user.Role == "Admin"
}

// CallResource passes a call on to /v1/… and its answer back as it is.
func (d *Datasource) CallResource(ctx context.Context, request *backend.CallResourceRequest, sender backend.CallResourceResponseSender) error {
	path := strings.Trim(request.Path, "/")
	asked, known := resources[path]
	if !known {
		return sendError(sender, http.StatusNotFound, "not_found", fmt.Sprintf("There is no resource %q. There are types, top, who, schema, health and translate.", path))
	}
	method := asked.method
	if request.Method != method {
		return sendError(sender, http.StatusMethodNotAllowed, "method_not_allowed", fmt.Sprintf("The resource %q takes %s, not %s.", path, method, request.Method))
	}
	if asked.editors && !mayEdit(request.PluginContext.User) {
		return sendError(sender, http.StatusForbidden, "forbidden", fmt.Sprintf("The resource %q is for editors and admins: it tells how the data source is set up.", path))
	}
	c, err := d.usable()
	if err != nil {
		return sendError(sender, http.StatusBadRequest, "config_invalid", fmt.Sprintf("The data source is not set up: %v.", err))
	}
	var query url.Values
	if target, err := url.Parse(request.URL); err == nil {
		query = target.Query()
	}
	var body []byte
	if method == http.MethodPost {
		body = request.Body
	}
	got, err := c.do(ctx, method, path, query, body)
	if err != nil {
		return sendFailure(sender, err)
	}
	if got.status == http.StatusUnauthorized || got.status == http.StatusForbidden || (got.status >= 300 && got.status < 400) || !looksLikeJSON(got) {
		// A 401 or 403 is about the data source's token, not the user's session: passed on, Grafana's frontend would log the user out. What is
		// not JSON did not come from the backend.
		if got.status == http.StatusOK {
			return sendFailure(sender, c.notOurs(got, path))
		}
		return sendFailure(sender, c.refusal(got, path))
	}
	return sender.Send(&backend.CallResourceResponse{
		Status:  got.status,
		Headers: map[string][]string{"Content-Type": {got.contentType}},
		Body:    got.body,
	})
}

func sendFailure(sender backend.CallResourceResponseSender, err error) error {
	var f *failure
	if !errors.As(err, &f) {
		return sendError(sender, http.StatusInternalServerError, "internal", err.Error())
	}
	status := f.status
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		status = http.StatusBadGateway
	}
	return sendError(sender, status, f.code, f.message)
}

// sendError answers in the backend's form; `message` beside it is what Grafana's frontend shows.
func sendError(sender backend.CallResourceResponseSender, status int, code, message string) error {
	body, err := json.Marshal(map[string]any{
		"error":   map[string]string{"code": code, "message": message},
		"message": message,
	})
	if err != nil {
		return err
	}
	return sender.Send(&backend.CallResourceResponse{
		Status:  status,
		Headers: map[string][]string{"Content-Type": {"application/json"}},
		Body:    body,
	})
}
