# The backend, with ingest, serve and every other command: docker build -f docker/backend.Dockerfile -t userpulse .
ARG NODE_IMAGE=node:24-bookworm-slim
ARG MAVEN_IMAGE=maven:3.9-eclipse-temurin-17

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tools/build-backend.ts tools/
COPY contract contract
COPY backend backend
RUN npx tsx tools/build-backend.ts

# The lease program of several workers, and a Java runtime with no more than it uses.
FROM ${MAVEN_IMAGE} AS leases
WORKDIR /app/leases
COPY leases .
RUN mvn --batch-mode --quiet package
RUN jlink --add-modules java.base,java.desktop,java.logging,java.management,java.naming,java.security.jgss,java.sql,java.xml,jdk.crypto.ec,jdk.unsupported \
    --strip-debug --no-header-files --no-man-pages --compress 2 --output /app/java

FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=dev

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json LICENSE ./
COPY backend/bin backend/bin
COPY --from=build /app/backend/dist backend/dist
COPY --from=leases /app/leases/target/userpulse-leases.jar backend/leases/
COPY --from=leases /app/leases/target/lib backend/leases/lib
COPY --from=leases /app/java /opt/java
ENV JAVA_HOME=/opt/java
# This user owns the checkpoints, and the archive if it is a folder.
RUN mkdir -p /var/lib/userpulse && chown node:node /var/lib/userpulse
USER node
VOLUME /var/lib/userpulse
ENV USERPULSE_CHECKPOINT=file:///var/lib/userpulse/checkpoint \
    USERPULSE_ARCHIVE=file:///var/lib/userpulse/archive
# glibc: two arenas are as fast for a process whose main thread does nearly all of the work, and large allocations are
# returned to the system at once.
ENV MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=524288 \
    MALLOC_TRIM_THRESHOLD_=1048576
EXPOSE 8088 8089
ENTRYPOINT ["node", "--enable-source-maps", "backend/bin/userpulse.js"]
CMD ["--help"]
