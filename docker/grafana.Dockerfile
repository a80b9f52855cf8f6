# Grafana with the plugin built from this checkout, and with its data source, dashboards and alert rules provisioned.
# Every COPY and RUN is rehearsed by tests/images/: what a step needs must be named here.
ARG GRAFANA_VERSION=13.2.2
ARG NODE_IMAGE=node:24-bookworm-slim
ARG GO_IMAGE=golang:1.26-bookworm

FROM ${NODE_IMAGE} AS frontend
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY webpack.config.ts LICENSE CHANGELOG.md ./
COPY docs/img docs/img
COPY contract contract
COPY src src
RUN npx webpack --env production

FROM ${GO_IMAGE} AS gateway
WORKDIR /app
COPY go.mod go.sum ./
RUN go mod download
COPY Magefile.go package.json ./
COPY src/plugin.json src/
COPY pkg pkg
RUN go tool mage gateway

FROM grafana/grafana:${GRAFANA_VERSION}
COPY --from=frontend /app/dist /var/lib/grafana/plugins/userpulse-interactions-datasource
COPY --from=gateway /app/dist /var/lib/grafana/plugins/userpulse-interactions-datasource
COPY provisioning/datasources /etc/grafana/provisioning/datasources
COPY provisioning/dashboards /etc/grafana/provisioning/dashboards
COPY provisioning/alerting /etc/grafana/provisioning/alerting
ENV GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS=userpulse-interactions-datasource \
    GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH=/var/lib/grafana/plugins/userpulse-interactions-datasource/dashboards/overview.json
