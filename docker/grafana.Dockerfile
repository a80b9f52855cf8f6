# Grafana with the plugin built from this checkout, and with its data source, dashboards and alert rules provisioned.
ARG GRAFANA_VERSION=13.2.2
ARG NODE_IMAGE=node:24-bookworm-slim
ARG GO_IMAGE=golang:1.26-bookworm

FROM ${NODE_IMAGE} AS frontend
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY webpack.config.ts tsconfig.json README.md CHANGELOG.md LICENSE ./
COPY contract contract
COPY src src
RUN npx webpack --env production

FROM ${GO_IMAGE} AS gateway
WORKDIR /app
COPY go.mod go.sum ./
RUN go mod download
COPY pkg pkg
ARG TARGETARCH=amd64
RUN CGO_ENABLED=0 GOARCH=${TARGETARCH} go build -trimpath -ldflags '-s -w' -o gpx_userpulse_linux_${TARGETARCH} ./pkg

FROM grafana/grafana:${GRAFANA_VERSION}
COPY --from=frontend /app/dist /var/lib/grafana/plugins/userpulse-interactions-datasource
COPY --from=gateway /app/gpx_userpulse_* /var/lib/grafana/plugins/userpulse-interactions-datasource/
COPY provisioning/datasources /etc/grafana/provisioning/datasources
COPY provisioning/dashboards /etc/grafana/provisioning/dashboards
COPY provisioning/alerting /etc/grafana/provisioning/alerting
ENV GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS=userpulse-interactions-datasource \
    GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH=/var/lib/grafana/plugins/userpulse-interactions-datasource/dashboards/overview.json
