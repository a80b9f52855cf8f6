package plugin

import (
	"cmp"
	"slices"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

const (
	// keptWindows is how many window times are remembered, for sums over types and for complete rows. The backend looks back over 300
	// windows at most, to count late events, and over 1,000 after InfluxDB was away.
	keptWindows = 1020
	// maxLiveSeries bounds a stream's memory: 50 ids of 20 types.
	maxLiveSeries = 1000
	// Names of the fields, as the backend's query frames have them for calc count.
	liveTimeField  = "time"
	liveValueField = "count"
)

// window is one event of the backend's GET /v1/stream.
type window struct {
	ID      string  `json:"id"`
	Type    string  `json:"type"`
	Time    int64   `json:"time"` // window start, epoch ms
	Value   float64 `json:"value"`
	Partial bool    `json:"partial"`
}

type seriesKey struct{ id, kind string }

// liveWindows turns windows as they come into wide frames of what changed. Not for use by several goroutines.
type liveWindows struct {
	query  liveQuery
	byID   bool
	byType bool

	values  map[int64]map[seriesKey]float64 // window time → value per id and type, as the backend last said
	partial map[int64]bool
	changed map[int64]bool
	known   map[seriesKey]bool // series of the frame, after grouping
	seen    map[seriesKey]bool // series of the stream, before grouping
	full    bool               // more series came than are kept
}

func newLiveWindows(query liveQuery) *liveWindows {
	groupBy := []string{"id", "type"}
	if query.GroupBy != nil {
		groupBy = *query.GroupBy
	}
	return &liveWindows{
		query:   query,
		byID:    slices.Contains(groupBy, "id"),
		byType:  slices.Contains(groupBy, "type"),
		values:  map[int64]map[seriesKey]float64{},
		partial: map[int64]bool{},
		changed: map[int64]bool{},
		known:   map[seriesKey]bool{},
		seen:    map[seriesKey]bool{},
	}
}

// add takes one window. A window comes again and again while it is open; the last value counts.
func (l *liveWindows) add(w window) {
	key := seriesKey{w.ID, w.Type}
	if !l.seen[key] {
		if len(l.seen) >= maxLiveSeries {
			l.full = true
			return
		}
		l.seen[key] = true
	}
	l.known[l.group(key)] = true
	row := l.values[w.Time]
	if row == nil {
		row = map[seriesKey]float64{}
		l.values[w.Time] = row
		l.forget()
		if l.values[w.Time] == nil { // older than everything kept
			return
		}
	}
	row[key] = w.Value
	l.partial[w.Time] = w.Partial
	l.changed[w.Time] = true
}

// forget drops the oldest windows.
func (l *liveWindows) forget() {
	for len(l.values) > keptWindows {
		oldest := int64(0)
		first := true
		for at := range l.values {
			if first || at < oldest {
				oldest, first = at, false
			}
		}
		delete(l.values, oldest)
		delete(l.partial, oldest)
		delete(l.changed, oldest)
	}
}

func (l *liveWindows) group(key seriesKey) seriesKey {
	if !l.byID {
		key.id = ""
	}
	if !l.byType {
		key.kind = ""
	}
	return key
}

// frame gives what changed since the last call as a new frame, or nil when nothing did.
func (l *liveWindows) frame() *data.Frame {
	if len(l.changed) == 0 {
		return nil
	}
	times := make([]int64, 0, len(l.changed))
	for at := range l.changed {
		times = append(times, at)
	}
	slices.Sort(times)
	l.changed = map[int64]bool{}

	timeField := data.NewFieldFromFieldType(data.FieldTypeTime, len(times))
	timeField.Name = liveTimeField
	open := []int64{}
	sums := make([]map[seriesKey]float64, len(times))
	for i, at := range times {
		timeField.Set(i, time.UnixMilli(at).UTC())
		if l.partial[at] {
			open = append(open, at)
		}
		sums[i] = map[seriesKey]float64{}
		for key, value := range l.values[at] {
			sums[i][l.group(key)] += value
		}
	}

	frame := data.NewFrame("", timeField)
	for _, key := range l.order() {
		field := data.NewFieldFromFieldType(data.FieldTypeNullableFloat64, len(times))
		field.Name = liveValueField
		field.Labels = data.Labels{}
		if key.id != "" {
			field.Labels["id"] = key.id
			if to := l.query.counterpart(key.id); to != "" {
				field.Labels["to"] = to
			}
		}
		if key.kind != "" {
			field.Labels["type"] = key.kind
		}
		for i := range times {
			if value, found := sums[i][key]; found {
				field.Set(i, &value)
			}
		}
		frame.Fields = append(frame.Fields, field)
	}
	frame.Meta = &data.FrameMeta{
		Type:        data.FrameTypeTimeSeriesWide,
		TypeVersion: data.FrameTypeVersion{0, 1},
		Custom:      map[string]any{"partial": open},
	}
	if l.full {
		frame.AppendNotices(data.Notice{Severity: data.NoticeSeverityWarning, Text: "The stream has more than 1000 series; the others are not shown. Choose fewer ids or types."})
	}
	nameSeries(frame, l.query.Legend, l.query.Preset)
	return frame
}

// order is the same at every tick, so that colours stay: ids and types as asked, then by name.
func (l *liveWindows) order() []seriesKey {
	typed := map[string]bool{}
	for key := range l.known {
		typed[key.id] = typed[key.id] || key.kind != ""
	}
	keys := make([]seriesKey, 0, len(l.known))
	for key := range l.known {
		// Before its first event an id has one series without a type; once there is one with a type it says nothing more.
		if key.kind == "" && typed[key.id] {
			continue
		}
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b seriesKey) int {
		return cmp.Or(
			cmp.Compare(position(l.query.IDs, a.id), position(l.query.IDs, b.id)),
			cmp.Compare(a.id, b.id),
			cmp.Compare(position(l.query.Types, a.kind), position(l.query.Types, b.kind)),
			cmp.Compare(a.kind, b.kind),
		)
	})
	return keys
}

func position(list []string, value string) int {
	if at := slices.Index(list, value); at >= 0 {
		return at
	}
	return len(list)
}

// noticeFrame tells the subscribers of a stream what is wrong with it.
func noticeFrame(severity data.NoticeSeverity, text string) *data.Frame {
	frame := data.NewFrame("", data.NewField(liveTimeField, nil, []time.Time{}))
	frame.Meta = &data.FrameMeta{Type: data.FrameTypeTimeSeriesWide, TypeVersion: data.FrameTypeVersion{0, 1}}
	frame.AppendNotices(data.Notice{Severity: severity, Text: text})
	return frame
}
