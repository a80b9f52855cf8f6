// Package pluginclient starts a Grafana backend plugin as Grafana does and speaks to it as Grafana does: hashicorp/go-plugin for the process, the
// SDK's gRPC plugins and converters for the calls. The gateway's conformance test and the plugin host share it.
package pluginclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/grpcplugin"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Options say what to start.
type Options struct {
	// Path of the plugin's executable.
	Path string
	// Log gets the plugin's log lines; nil drops them.
	Log io.Writer
	// Env is added to the few variables the plugin gets; it does not inherit the host's, as under Grafana.
	Env []string
}

// Plugin is a started plugin. Close ends it.
type Plugin struct {
	process     *goplugin.Client
	diagnostics grpcplugin.DiagnosticsClient
	resource    grpcplugin.ResourceClient
	data        grpcplugin.DataClient
	stream      grpcplugin.StreamClient
}

// Start starts the plugin and waits until it serves (10 s at most).
func Start(options Options) (*Plugin, error) {
	if _, err := os.Stat(options.Path); err != nil {
		return nil, fmt.Errorf("there is no gateway binary at %s: build it with `make gateway` (%w)", options.Path, err)
	}
	log := options.Log
	if log == nil {
		log = io.Discard
	}
	// #nosec G204 -- starting the given binary is the purpose
	command := exec.Command(options.Path)
	command.Env = append(basicEnvironment(), options.Env...)
	process := goplugin.NewClient(&goplugin.ClientConfig{
		Cmd: command,
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion:  grpcplugin.ProtocolVersion,
			MagicCookieKey:   grpcplugin.MagicCookieKey,
			MagicCookieValue: grpcplugin.MagicCookieValue,
		},
		VersionedPlugins: map[int]goplugin.PluginSet{
			grpcplugin.ProtocolVersion: {
				"diagnostics": &grpcplugin.DiagnosticsGRPCPlugin{},
				"resource":    &grpcplugin.ResourceGRPCPlugin{},
				"data":        &grpcplugin.DataGRPCPlugin{},
				"stream":      &grpcplugin.StreamGRPCPlugin{},
			},
		},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		// Results are larger than gRPC's default of 4 MiB; Grafana has no bound here.
		GRPCDialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32))},
		Logger:          hclog.New(&hclog.LoggerOptions{Name: "gateway", Output: log, Level: hclog.Debug}),
		StartTimeout:    10 * time.Second,
		SkipHostEnv:     true,
	})
	plugin := &Plugin{process: process}
	if err := plugin.dispense(); err != nil {
		process.Kill()
		return nil, fmt.Errorf("the gateway %s did not start: %w", options.Path, err)
	}
	return plugin, nil
}

func basicEnvironment() []string {
	var environment []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT"} {
		if value, set := os.LookupEnv(name); set {
			environment = append(environment, name+"="+value)
		}
	}
	return environment
}

func (p *Plugin) dispense() error {
	connection, err := p.process.Client()
	if err != nil {
		return err
	}
	return errors.Join(
		dispenseOne(connection, "diagnostics", &p.diagnostics),
		dispenseOne(connection, "resource", &p.resource),
		dispenseOne(connection, "data", &p.data),
		dispenseOne(connection, "stream", &p.stream),
	)
}

func dispenseOne[T any](connection goplugin.ClientProtocol, name string, into *T) error {
	raw, err := connection.Dispense(name)
	if err != nil {
		return fmt.Errorf("the plugin has no %s: %w", name, err)
	}
	typed, ok := raw.(T)
	if !ok {
		return fmt.Errorf("the plugin's %s is a %T", name, raw)
	}
	*into = typed
	return nil
}

// PID is the plugin's process id.
func (p *Plugin) PID() int { return p.process.ReattachConfig().Pid }

// Exited tells whether the process has ended.
func (p *Plugin) Exited() bool { return p.process.Exited() }

// Close asks the plugin to end, waits for it (2 s), then kills it.
func (p *Plugin) Close() { p.process.Kill() }

// CheckHealth is Save & test.
func (p *Plugin) CheckHealth(ctx context.Context, plugin backend.PluginContext) (*backend.CheckHealthResult, error) {
	response, err := p.diagnostics.CheckHealth(ctx, &pluginv2.CheckHealthRequest{PluginContext: backend.ToProto().PluginContext(plugin)})
	if err != nil {
		return nil, err
	}
	return backend.FromProto().CheckHealthResponse(response), nil
}

// CollectMetrics gives the plugin's own metrics in Prometheus' text form.
func (p *Plugin) CollectMetrics(ctx context.Context) (string, error) {
	response, err := p.diagnostics.CollectMetrics(ctx, &pluginv2.CollectMetricsRequest{})
	if err != nil {
		return "", err
	}
	return string(response.GetMetrics().GetPrometheus()), nil
}

// QueryData is a panel's or an alert rule's question.
func (p *Plugin) QueryData(ctx context.Context, request *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	response, err := p.data.QueryData(ctx, backend.ToProto().QueryDataRequest(request))
	if err != nil {
		return nil, err
	}
	return backend.FromProto().QueryDataResponse(response)
}

// CallResource gives the parts of the answer put together.
func (p *Plugin) CallResource(ctx context.Context, request *backend.CallResourceRequest) (*backend.CallResourceResponse, error) {
	stream, err := p.resource.CallResource(ctx, backend.ToProto().CallResourceRequest(request))
	if err != nil {
		return nil, err
	}
	var whole *backend.CallResourceResponse
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if whole == nil {
				return nil, errors.New("the plugin sent no answer")
			}
			return whole, nil
		}
		if err != nil {
			return nil, err
		}
		if whole == nil {
			whole = backend.FromProto().CallResourceResponse(part)
			continue
		}
		whole.Body = append(whole.Body, part.GetBody()...)
	}
}

// SubscribeStream asks whether a live channel may be listened to.
func (p *Plugin) SubscribeStream(ctx context.Context, request *backend.SubscribeStreamRequest) (*backend.SubscribeStreamResponse, error) {
	response, err := p.stream.SubscribeStream(ctx, backend.ToProto().SubscribeStreamRequest(request))
	if err != nil {
		return nil, err
	}
	return backend.FromProto().SubscribeStreamResponse(response), nil
}

// PublishStream asks whether a message may be published to a live channel.
func (p *Plugin) PublishStream(ctx context.Context, request *backend.PublishStreamRequest) (*backend.PublishStreamResponse, error) {
	response, err := p.stream.PublishStream(ctx, backend.ToProto().PublishStreamRequest(request))
	if err != nil {
		return nil, err
	}
	return backend.FromProto().PublishStreamResponse(response), nil
}

// RunStream calls on with every packet until the stream ends (nil), fails, or ctx ends.
func (p *Plugin) RunStream(ctx context.Context, request *backend.RunStreamRequest, on func(json.RawMessage) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := p.stream.RunStream(ctx, backend.ToProto().RunStreamRequest(request))
	if err != nil {
		return err
	}
	for {
		packet, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := on(packet.GetData()); err != nil {
			return err
		}
	}
}

// Message is the text of an error as a user would read it: gRPC's own framing is taken off.
func Message(err error) string {
	text := err.Error()
	if _, after, found := strings.Cut(text, " desc = "); found {
		return after
	}
	return text
}
