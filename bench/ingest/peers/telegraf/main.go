// Command telegraf is Telegraf with the four plugins that the ingest benchmark needs and nothing else: a tenth of the build, the same code on the way of a
// record. What is left out (flags, service control, the other plugins) does no work while it runs.
//
//	telegraf CONFIG
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/influxdata/telegraf/agent"
	"github.com/influxdata/telegraf/config"
	_ "github.com/influxdata/telegraf/plugins/inputs/kinesis_consumer"
	_ "github.com/influxdata/telegraf/plugins/outputs/influxdb_v2"
	_ "github.com/influxdata/telegraf/plugins/parsers/json_v2"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "telegraf:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg := config.NewConfig()
	if err := cfg.LoadConfig(os.Args[1]); err != nil {
		return err
	}
	return agent.NewAgent(cfg).Run(ctx)
}
