// Command gpx_userpulse is the gateway: Grafana's backend component of the Userpulse data source. Grafana starts it, speaks gRPC with it
// and ends it. It forwards to the Userpulse backend over HTTP.
package main

import (
	"os"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"

	"userpulse/pkg/plugin"
)

func main() {
	if err := datasource.Manage(plugin.ID, plugin.NewDatasource, datasource.ManageOpts{}); err != nil {
		backend.Logger.Error("The gateway ended with an error", "error", err)
		os.Exit(1)
	}
}
