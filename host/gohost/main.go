// Command gohost stands in for Grafana's server, to try and to test the plugin where no Grafana can be had. See README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"userpulse/host/gohost/pluginclient"
)

type options struct {
	listen, gateway, page, dist, dashboards string
	backendURL, token, jsonData             string
	datasource, uid, gatewayLog             string
	keep                                    bool
}

func main() {
	o := options{}
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback address to serve; port 0 takes a free one")
	flag.StringVar(&o.gateway, "gateway", "", "path of the gateway binary (required)")
	flag.StringVar(&o.page, "page", "", "folder of the host page")
	flag.StringVar(&o.dist, "dist", "", "folder of the built plugin")
	flag.StringVar(&o.dashboards, "dashboards", "", "folder of provisioned dashboards (JSON)")
	flag.StringVar(&o.backendURL, "backend-url", "", "URL of the data source: the Userpulse backend")
	flag.StringVar(&o.token, "token", os.Getenv("USERPULSE_API_TOKEN"), "API token of the data source; default: USERPULSE_API_TOKEN")
	flag.StringVar(&o.jsonData, "json-data", "", "jsonData of the data source")
	flag.StringVar(&o.datasource, "datasource", "", "provisioning YAML to take the data source from")
	flag.StringVar(&o.uid, "uid", "userpulse", "uid of the data source")
	flag.StringVar(&o.gatewayLog, "gateway-log", "", "file for the gateway's log; default: standard error")
	flag.BoolVar(&o.keep, "keep", false, "keep running when standard input closes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if !o.keep {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // ends when whoever started the host is gone
			stop()
		}()
	}
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gohost:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It has ended the gateway when it returns.
func run(ctx context.Context, o options, out io.Writer) error {
	if o.gateway == "" {
		return errors.New("--gateway is missing: give the path of the gateway binary (`make gateway` builds it)")
	}
	address, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return fmt.Errorf("--listen %q: %w", o.listen, err)
	}
	if ip := net.ParseIP(address); address != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--listen %q is no loopback address: the host has no log-in and must not be reachable from elsewhere", o.listen)
	}
	source, err := newDataSource(o)
	if err != nil {
		return err
	}
	var log io.Writer = os.Stderr
	if o.gatewayLog != "" {
		file, err := os.Create(o.gatewayLog)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		log = file
	}
	gateway, err := pluginclient.Start(pluginclient.Options{Path: o.gateway, Log: log})
	if err != nil {
		return err
	}
	defer gateway.Close()

	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	inner, end := context.WithCancel(ctx)
	defer end()
	h := newHost(inner, gateway, source, o)
	server := &http.Server{Handler: h.routes(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	ready, err := json.Marshal(map[string]any{"url": "http://" + listener.Addr().String(), "pid": os.Getpid(), "gatewayPid": gateway.PID()})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, string(ready)); err != nil {
		return err
	}

	select {
	case err = <-served:
	case <-ctx.Done():
		err = nil
	}
	end() // live connections end, so that Shutdown need not wait for them
	patience, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if shutdownErr := server.Shutdown(patience); shutdownErr != nil {
		_ = server.Close()
	}
	h.live.running.Wait()
	return err
}
