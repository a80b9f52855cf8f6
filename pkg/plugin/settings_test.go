package plugin

import (
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

func TestSettings(t *testing.T) {
	const url = "http://userpulse:8088"
	for name, one := range map[string]struct {
		url, json, token string
		timeout          time.Duration
		wrong            string
	}{
		"defaults":                 {url, `{}`, "", 30 * time.Second, ""},
		"no jsonData":              {url, ``, "", 30 * time.Second, ""},
		"null":                     {url, `null`, "", 30 * time.Second, ""},
		"a timeout":                {url, `{"timeout":5}`, "", 5 * time.Second, ""},
		"a timeout as text":        {url, `{"timeout":"5"}`, "", 5 * time.Second, ""},
		"an emptied timeout":       {url, `{"timeout":""}`, "", 30 * time.Second, ""},
		"spaces around the URL":    {"  " + url + " ", `{}`, " t ", 30 * time.Second, ""},
		"a timeout of words":       {url, `{"timeout":"long"}`, "", 0, "number of seconds from 1 to 600"},
		"a timeout out of bounds":  {url, `{"timeout":601}`, "", 0, "number of seconds from 1 to 600"},
		"an enormous timeout":      {url, `{"timeout":1e300}`, "", 0, "number of seconds from 1 to 600"},
		"no URL":                   {"", `{}`, "", 0, "the URL is missing"},
		"another scheme":           {"ftp://userpulse", `{}`, "", 0, "no http or https address"},
		"no host":                  {"http://", `{}`, "", 0, "no http or https address"},
		"a password in the URL":    {"http://u:p@userpulse", `{}`, "", 0, "user name or password"},
		"a query string":           {url + "?a=b", `{}`, "", 0, "query string"},
		"a line break in a token":  {url, `{}`, "a\nb", 0, "the API token holds a character"},
		"a switch of words":        {url, `{"sendUser":"yes"}`, "", 0, "jsonData.sendUser is a string"},
		"a type the SDK trips on":  {url, `{"tlsAuth":true,"serverName":5}`, "", 0, "wrong type"},
		"jsonData that is no JSON": {url, `{`, "", 0, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := loadSettings(t.Context(), testSettings(one.url, one.json, one.token))
			if one.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), one.wrong) {
					t.Errorf("got %v, want %q", err, one.wrong)
				}
				return
			}
			if err != nil || got.timeout != one.timeout || got.base.String() != url || got.token != strings.TrimSpace(one.token) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestACertificateThatIsNoneIsReported(t *testing.T) {
	raw := testSettings("https://userpulse", `{"tlsAuthWithCACert":true}`, "")
	raw.DecryptedSecureJSONData["tlsCACert"] = "not a certificate"
	instance, err := NewDatasource(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	health, err := instance.(*Datasource).CheckHealth(t.Context(), &backend.CheckHealthRequest{})
	if err != nil || !strings.Contains(health.Message, "TLS settings cannot be used") {
		t.Errorf("got %+v, %v", health, err)
	}
}
