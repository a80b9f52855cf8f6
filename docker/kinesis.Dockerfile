# A Kinesis API server for evaluation and tests: the npm package that the tests use, in the lockfile's version.
ARG NODE_IMAGE=node:24-bookworm-slim
FROM ${NODE_IMAGE}
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN version=$(node -p "require('./package-lock.json').packages['node_modules/kinesis-local'].version") \
 && mkdir /kinesis && cd /kinesis && npm install --ignore-scripts --no-save "kinesis-local@$version"
WORKDIR /kinesis/node_modules/kinesis-local
USER node
EXPOSE 4568
CMD ["node", "main.js"]
