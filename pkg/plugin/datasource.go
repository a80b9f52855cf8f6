// Package plugin is the gateway's logic: what Grafana asks for is forwarded to the Userpulse backend's HTTP interface. Bucket names, prefixes
// and Flux are the backend's; none of them is known here.
package plugin

import (
	"context"
	"errors"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
)

// ID is the plugin's id, as in plugin.json.
const ID = "userpulse-interactions-datasource"

// Datasource is one configured data source. Grafana makes a new one whenever the settings change.
type Datasource struct {
	client *client
	// settingsError is set when the settings cannot be used. The instance is made all the same, because what a factory returns as an error reaches
	// the user as "plugin error"; every call answers with this text instead.
	settingsError error
}

var (
	_ backend.QueryDataHandler      = (*Datasource)(nil)
	_ backend.CheckHealthHandler    = (*Datasource)(nil)
	_ backend.CallResourceHandler   = (*Datasource)(nil)
	_ backend.StreamHandler         = (*Datasource)(nil)
	_ instancemgmt.InstanceDisposer = (*Datasource)(nil)
)

// NewDatasource makes the instance for the given settings. It never fails; see Datasource.settingsError.
func NewDatasource(ctx context.Context, raw backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	settings, err := loadSettings(ctx, raw)
	if err != nil {
		return &Datasource{settingsError: err}, nil
	}
	c, err := newClient(settings)
	if err != nil {
		return &Datasource{settingsError: err}, nil
	}
	return &Datasource{client: c}, nil
}

// Dispose frees the idle connections of a data source whose settings changed. Calls under way end by themselves.
func (d *Datasource) Dispose() {
	if d.client != nil {
		d.client.http.CloseIdleConnections()
	}
}

// usable gives the client, or the reason why there is none.
func (d *Datasource) usable() (*client, error) {
	if d.settingsError != nil {
		return nil, d.settingsError
	}
	if d.client == nil {
		return nil, errors.New("the data source has no settings; save its settings page once")
	}
	return d.client, nil
}
