import { readFileSync } from 'node:fs';
import path from 'node:path';
import CopyWebpackPlugin from 'copy-webpack-plugin';
import type { Configuration } from 'webpack';

/**
 * Builds the plugin's frontend: `npx webpack --config webpack.config.ts [--env production]` → dist/module.js, an AMD module.
 * It follows the conventions of Grafana's create-plugin (externals, AMD, `%VERSION%`), without its linters and live reload.
 */
const root = process.cwd();
const readJson = (file: string): unknown => JSON.parse(readFileSync(path.join(root, file), 'utf8'));
const { version } = readJson('package.json') as { version: string };
const { id, info } = readJson('src/plugin.json') as {
  id: string;
  info: { screenshots: readonly { path: string }[] };
};

/** What Grafana itself provides. Whoever bundles React's jsx runtime works on React 18 hosts and dies on React 19 ones. */
const externals: NonNullable<Configuration['externals']> = [
  'lodash',
  'moment',
  'react',
  'react-dom',
  'react/jsx-runtime',
  'react/jsx-dev-runtime',
  'rxjs',
  'rxjs/operators',
  '@emotion/css',
  '@emotion/react',
  'i18next',
  /^@grafana\/(data|runtime|ui)(\/|$)/,
];

const today = () => new Date().toISOString().slice(0, 10);
const stamp = (content: Buffer) =>
  content.toString().replaceAll('%VERSION%', version).replaceAll('%TODAY%', today()).replaceAll('%PLUGIN_ID%', id);

export default function config(env: Readonly<Record<string, unknown>>): Configuration {
  const production = env['production'] === true;
  return {
    mode: production ? 'production' : 'development',
    context: path.join(root, 'src'),
    entry: { module: './module.ts' },
    devtool: 'source-map',
    cache: { type: 'filesystem', buildDependencies: { config: [path.join(root, 'webpack.config.ts')] } },
    externals,
    module: {
      rules: [
        {
          test: /\.tsx?$/,
          exclude: /node_modules/,
          use: {
            loader: 'esbuild-loader',
            // The root's tsconfig.json is for the type check; everything that shapes the output is said here.
            options: { target: 'es2022', jsx: 'automatic', tsconfigRaw: {} },
          },
        },
        { test: /\.svg$/, type: 'asset/inline' },
      ],
    },
    resolve: { extensions: ['.ts', '.tsx', '.js'] },
    output: {
      path: path.join(root, 'dist'),
      filename: '[name].js',
      chunkFilename: production ? '[name].[contenthash:8].js' : '[name].js',
      publicPath: `public/plugins/${id}/`,
      uniqueName: id,
      library: { type: 'amd' },
      crossOriginLoading: 'anonymous',
      // The gateway's binaries are built into the same folder by another tool.
      clean: { keep: /^(gpx_userpulse.*|go_plugin_build_manifest|MANIFEST\.txt)$/ },
    },
    plugins: [
      new CopyWebpackPlugin({
        patterns: [
          { from: 'plugin.json', transform: stamp },
          // People look for it at the root too: that one is made here, and a test holds it to its source.
          { from: 'plugin.json', to: path.join(root, 'plugin.json') },
          { from: 'dashboards/*.json' },
          { from: 'img/*' },
          // The README's pictures are the plugin's screenshots: one copy of each, under docs/.
          ...info.screenshots.map(({ path: to }) => ({ from: `../docs/${to}`, to })),
          { from: 'README.md', transform: stamp },
          { from: '../LICENSE', to: '[name]', toType: 'template' },
          { from: '../CHANGELOG.md' },
        ],
      }),
    ],
    performance: { hints: production ? 'warning' : false, maxAssetSize: 150_000, maxEntrypointSize: 150_000 },
  };
}
