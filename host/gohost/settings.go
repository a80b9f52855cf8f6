package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"gopkg.in/yaml.v3"

	"userpulse/pkg/plugin"
)

// dataSource is the one data source of the host, as provisioned or changed since.
type dataSource struct {
	lock     sync.Mutex
	settings backend.DataSourceInstanceSettings
}

// provisioned is one entry of Grafana's provisioning format (datasources/*.yaml).
type provisioned struct {
	Name           string            `yaml:"name"`
	UID            string            `yaml:"uid"`
	Type           string            `yaml:"type"`
	URL            string            `yaml:"url"`
	JSONData       map[string]any    `yaml:"jsonData"`
	SecureJSONData map[string]string `yaml:"secureJsonData"`
}

// change is what POST …/settings replaces; nil is kept.
type change struct {
	URL            *string           `json:"url"`
	JSONData       json.RawMessage   `json:"jsonData"`
	SecureJSONData map[string]string `json:"secureJsonData"`
}

func newDataSource(o options) (*dataSource, error) {
	settings := backend.DataSourceInstanceSettings{
		ID:                      1,
		UID:                     o.uid,
		Name:                    "Userpulse",
		Type:                    plugin.ID,
		JSONData:                json.RawMessage("{}"),
		DecryptedSecureJSONData: map[string]string{},
		Updated:                 time.Now(),
	}
	if o.datasource != "" {
		if err := readProvisioned(o.datasource, &settings); err != nil {
			return nil, err
		}
	}
	if o.backendURL != "" {
		settings.URL = o.backendURL
	}
	if o.token != "" {
		settings.DecryptedSecureJSONData["apiToken"] = o.token
	}
	if o.jsonData != "" {
		if !json.Valid([]byte(o.jsonData)) {
			return nil, fmt.Errorf("--json-data is no JSON: %s", o.jsonData)
		}
		settings.JSONData = json.RawMessage(o.jsonData)
	}
	return &dataSource{settings: settings}, nil
}

func readProvisioned(path string, settings *backend.DataSourceInstanceSettings) error {
	text, err := os.ReadFile(path) // #nosec G304 -- a file the user names
	if err != nil {
		return err
	}
	var file struct {
		Datasources []provisioned `yaml:"datasources"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, one := range file.Datasources {
		if one.Type != plugin.ID {
			continue
		}
		settings.UID, settings.Name, settings.URL = one.UID, one.Name, os.ExpandEnv(one.URL)
		if one.JSONData != nil {
			encoded, err := json.Marshal(one.JSONData)
			if err != nil {
				return fmt.Errorf("%s: jsonData: %w", path, err)
			}
			settings.JSONData = encoded
		}
		for name, value := range one.SecureJSONData {
			settings.DecryptedSecureJSONData[name] = os.ExpandEnv(value)
		}
		return nil
	}
	return fmt.Errorf("%s provisions no data source of type %s", path, plugin.ID)
}

// context is the plugin context of a call, as Grafana fills it.
func (d *dataSource) context() backend.PluginContext {
	d.lock.Lock()
	defer d.lock.Unlock()
	settings := d.settings
	return backend.PluginContext{
		OrgID:                      1,
		PluginID:                   plugin.ID,
		User:                       &backend.User{Login: "admin", Name: "Plugin host", Role: "Admin"},
		DataSourceInstanceSettings: &settings,
	}
}

func (d *dataSource) apply(c change) error {
	d.lock.Lock()
	defer d.lock.Unlock()
	if c.URL != nil {
		d.settings.URL = *c.URL
	}
	if c.JSONData != nil {
		var object map[string]any
		if json.Unmarshal(c.JSONData, &object) != nil {
			return errors.New("jsonData must be an object")
		}
		d.settings.JSONData = c.JSONData
	}
	if c.SecureJSONData != nil {
		d.settings.DecryptedSecureJSONData = c.SecureJSONData
	}
	// The gateway makes a new instance when this changes.
	d.settings.Updated = time.Now()
	return nil
}

// public is what Grafana's frontend knows of a data source: which secrets are set, never what they are.
func (d *dataSource) public() map[string]any {
	d.lock.Lock()
	defer d.lock.Unlock()
	secrets := map[string]bool{}
	for name, value := range d.settings.DecryptedSecureJSONData {
		secrets[name] = value != ""
	}
	return map[string]any{
		"id":               d.settings.ID,
		"uid":              d.settings.UID,
		"name":             d.settings.Name,
		"type":             d.settings.Type,
		"access":           "proxy",
		"url":              d.settings.URL,
		"jsonData":         d.settings.JSONData,
		"secureJsonFields": secrets,
		"isDefault":        true,
		"readOnly":         false,
	}
}

func (d *dataSource) uid() string {
	d.lock.Lock()
	defer d.lock.Unlock()
	return d.settings.UID
}
