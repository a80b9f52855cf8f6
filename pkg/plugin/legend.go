package plugin

import (
	"regexp"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

var placeholder = regexp.MustCompile(`\{\{\s*([A-Za-z]+)\s*\}\}`)

// nameSeries gives every series its legend as displayNameFromDS, so that panels, Explore, alerts and live streams call it alike. Without a template the
// name that came with the series stays. A table's columns keep theirs: they have no labels.
func nameSeries(frame *data.Frame, template, preset string) {
	for _, field := range frame.Fields {
		if !field.Type().Numeric() || (len(field.Labels) == 0 && !isTimeSeries(frame)) {
			continue
		}
		if field.Config == nil {
			field.Config = &data.FieldConfig{}
		}
		if template != "" || field.Config.DisplayNameFromDS == "" {
			field.Config.DisplayNameFromDS = seriesName(template, preset, field.Labels)
		}
	}
}

// isTimeSeries: of these, every number field is a series, labelled or not.
func isTimeSeries(frame *data.Frame) bool {
	return frame.Meta != nil && (frame.Meta.Type == data.FrameTypeTimeSeriesWide || frame.Meta.Type == data.FrameTypeNumericWide)
}

// seriesName fills the template's {{id}}, {{to}}, {{type}}, {{compare}} and {{preset}}. A label the series lacks is empty; where nothing is left, or without a
// template, the name is the backend's own default: "88 retweet", "88 → 677 retweet", "88 retweet (1w before)", "interactions" for a series without id and type.
func seriesName(template, preset string, labels data.Labels) string {
	if template != "" {
		filled := placeholder.ReplaceAllStringFunc(template, func(match string) string {
			name := placeholder.FindStringSubmatch(match)[1]
			switch value := labels[name]; {
			case name == "preset":
				return preset
			case name == "compare" && value != "":
				return value + " before"
			default:
				return value
			}
		})
		if filled = strings.TrimSpace(filled); filled != "" {
			return filled
		}
	}
	parts := make([]string, 0, 2)
	for _, name := range []string{"id", "type"} {
		if value := labels[name]; value != "" {
			parts = append(parts, value)
		}
		if to := labels["to"]; name == "id" && to != "" {
			parts = append(parts, "→", to)
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "interactions")
	}
	text := strings.Join(parts, " ")
	if compare := labels["compare"]; compare != "" {
		text += " (" + compare + " before)"
	}
	return text
}
