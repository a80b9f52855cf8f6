export const PLUGIN_ID = 'userpulse-interactions-datasource';
/** Where Grafana serves the plugin's dist folder. */
export const PLUGIN_PATH = `/public/plugins/${PLUGIN_ID}`;
