//go:build mage

// The gateway's targets, as Grafana's tools and create-plugin name them, by Grafana's SDK: its flags, build information, file names and
// go_plugin_build_manifest are those Grafana expects. Run a target with `go tool mage TARGET`; `go tool mage -l` lists them.
package main

import (
	"os"

	"github.com/grafana/grafana-plugin-sdk-go/build"
	"github.com/magefile/mage/mg"
)

// Default builds the gateway for this machine.
var Default = Gateway

// Gateway builds dist/gpx_userpulse_OS_ARCH for this machine. Its flags are those of the tests (-tags arrow_json_stdlib), so that both share the
// compiler's cache: the SDK takes minutes to compile.
func Gateway() error {
	return build.Build{}.Backend()
}

// BuildAll builds the gateway for every platform of a release, one after the other: each build uses all cores by itself. Paths are trimmed, so
// that the binaries hold nothing of the builder's machine.
func BuildAll() {
	trimPaths()
	b := build.Build{}
	mg.SerialDeps(b.Linux, b.LinuxARM64, b.Darwin, b.DarwinARM64, b.Windows)
}

// Test runs the gateway's tests.
func Test() error {
	return build.Test()
}

// Coverage runs the gateway's tests and writes what they cover to coverage/backend.html.
func Coverage() error {
	return build.Coverage()
}

// Lint runs golangci-lint, which has to be installed, with the settings of .golangci.yml.
func Lint() error {
	return build.Lint()
}

// trimPaths adds to what GOFLAGS holds.
func trimPaths() {
	_ = os.Setenv("GOFLAGS", os.Getenv("GOFLAGS")+" -trimpath")
}
