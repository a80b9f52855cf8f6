package plugin

import (
	"context"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

func TestSettingsErrorsRepeatNoCredentials(t *testing.T) {
	for _, text := range []string{
		"http://user:hunter2@host", "htp://user:hunter2@host", "http://user:hunter2@ho st", "hunter2@host", "http://host/?token=hunter2", "http://host/#hunter2",
	} {
		_, err := loadSettings(context.Background(), backend.DataSourceInstanceSettings{URL: text})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q gave: %v", text, err)
		}
	}
}

// A backend that is none must not fill the gateway's memory with lines that carry nothing.
func TestAnEventOfEmptyLinesIsBounded(t *testing.T) {
	err := readEvents(strings.NewReader(strings.Repeat("data:\n", maxEventBytes+1)), func() {}, func(event) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got: %v", err)
	}
}

// go test -fuzz FuzzReadEvents ./pkg/plugin
func FuzzReadEvents(f *testing.F) {
	for _, seed := range []string{": open\n\n", "event: window\ndata: {\"id\":\"1\"}\n\n", "data\n\n", "data:a\r\ndata: b\n\n", "\xff:\x00\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		total := 0
		_ = readEvents(strings.NewReader(text), func() {}, func(e event) error {
			total += len(e.data)
			return nil
		})
		if total > len(text) {
			t.Errorf("%d bytes of data came out of %d", total, len(text))
		}
	})
}
