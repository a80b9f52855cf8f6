package plugin

import (
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// panicked makes a failure of what recover gave, and logs it with its stack. A panic in a goroutine of ours would otherwise end the process, and
// with it the queries and streams of everybody. value is not nil.
func panicked(during string, value any) *failure {
	backend.Logger.Error("The gateway panicked", "during", during, "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
	return &failure{
		status:  http.StatusInternalServerError,
		source:  backend.ErrorSourcePlugin,
		message: fmt.Sprintf("The gateway failed during %s, in a way that it should not: %v. Grafana's log has the details; please report them.", during, value),
	}
}
