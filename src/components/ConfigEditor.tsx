import { useState } from 'react';
import type { ReactElement, ReactNode } from 'react';
import { css } from '@emotion/css';
import type { DataSourcePluginOptionsEditorProps, GrafanaTheme2 } from '@grafana/data';
import { Alert, CustomHeadersSettings, Input, SecretInput, SecretTextArea, Switch, useStyles2 } from '@grafana/ui';
import { texts } from '../texts.ts';
import { timeoutProblem, urlProblem } from './configProblems.ts';
import type { UserpulseOptions, UserpulseSecrets } from '../types.ts';
import { ErrorBoundary } from './ErrorBoundary.tsx';
import { SettingField } from './fields/SettingField.tsx';

type Props = DataSourcePluginOptionsEditorProps<UserpulseOptions, UserpulseSecrets>;

export function ConfigEditor(props: Props) {
  return (
    <ErrorBoundary>
      <ConfigForm {...props} />
    </ErrorBoundary>
  );
}

const text = texts.config;
const WIDTH = 50;

function ConfigForm({ options, onOptionsChange }: Props) {
  const styles = useStyles2(getStyles);
  const [timeoutText, setTimeoutText] = useState<string>();
  // What is missing is only called wrong once someone was there.
  const [visitedUrl, setVisitedUrl] = useState(options.url !== '');
  const { jsonData, secureJsonFields, secureJsonData, readOnly } = options;

  const setJson = (fields: UserpulseOptions) => onOptionsChange({ ...options, jsonData: { ...jsonData, ...fields } });
  const setSecret = (name: keyof UserpulseSecrets, value: string) =>
    onOptionsChange({ ...options, secureJsonData: { ...secureJsonData, [name]: value } });
  const secret = (name: keyof UserpulseSecrets) => ({
    isConfigured: secureJsonFields[name] === true,
    value: secureJsonData?.[name] ?? '',
    onReset: () =>
      onOptionsChange({
        ...options,
        secureJsonFields: { ...secureJsonFields, [name]: false },
        secureJsonData: { ...secureJsonData, [name]: '' },
      }),
  });
  // Grafana's inputs for secrets offer "Reset" even where nothing can be changed.
  const unlessReadOnly = (name: keyof UserpulseSecrets, input: ReactElement<Record<string, unknown>>) =>
    readOnly ? <Input disabled width={WIDTH} value={secureJsonFields[name] ? text.configured : ''} /> : input;
  const flag = (name: 'tlsSkipVerify' | 'tlsAuthWithCACert' | 'tlsAuth' | 'sendUser') => (
    <Switch
      value={jsonData[name] ?? false}
      disabled={readOnly}
      onChange={(event) => setJson({ [name]: event.currentTarget.checked })}
    />
  );

  const timeout = timeoutText ?? String(jsonData.timeout ?? '');
  const wrongTimeout = timeoutProblem(timeout);
  const wrongUrl = visitedUrl ? urlProblem(options.url) : undefined;

  return (
    <div className={styles.form}>
      {readOnly && <Alert severity="info" title={text.readOnly} />}

      <Section title={text.connection.title} description={text.connection.description}>
        <SettingField label={text.url.label} description={text.url.description} id={id('url')} problem={wrongUrl}>
          <Input
            width={WIDTH}
            value={options.url}
            placeholder={text.url.placeholder}
            disabled={readOnly}
            onChange={(event) => onOptionsChange({ ...options, url: event.currentTarget.value })}
            onBlur={(event) => {
              setVisitedUrl(true);
              const trimmed = event.currentTarget.value.trim();
              if (trimmed !== options.url) onOptionsChange({ ...options, url: trimmed });
            }}
          />
        </SettingField>
        <SettingField label={text.token.label} description={text.token.description} id={id('token')}>
          {unlessReadOnly(
            'apiToken',
            <SecretInput
              {...secret('apiToken')}
              width={WIDTH}
              placeholder={text.token.placeholder}
              onChange={(event) => setSecret('apiToken', event.currentTarget.value.trim())}
            />,
          )}
        </SettingField>
        <SettingField
          label={text.timeout.label}
          description={text.timeout.description}
          id={id('timeout')}
          problem={wrongTimeout}
        >
          <Input
            width={16}
            type="number"
            min={1}
            max={600}
            value={timeout}
            placeholder="30"
            disabled={readOnly}
            onChange={(event) => {
              const typed = event.currentTarget.value;
              setTimeoutText(typed);
              if (timeoutProblem(typed) === undefined) {
                setJson({ timeout: typed.trim() === '' ? undefined : Number(typed) });
              }
            }}
          />
        </SettingField>
      </Section>

      <Section title={text.tls.title} description={text.tls.description}>
        <SettingField label={text.withCa.label} description={text.withCa.description} id={id('tlsAuthWithCACert')}>
          {flag('tlsAuthWithCACert')}
        </SettingField>
        {jsonData.tlsAuthWithCACert && (
          <SettingField label={text.ca.label} id={id('ca')}>
            {unlessReadOnly(
              'tlsCACert',
              <SecretTextArea
                {...secret('tlsCACert')}
                rows={5}
                placeholder={PEM_CERTIFICATE}
                onChange={(event) => setSecret('tlsCACert', event.currentTarget.value)}
              />,
            )}
          </SettingField>
        )}
        <SettingField label={text.withClient.label} description={text.withClient.description} id={id('tlsAuth')}>
          {flag('tlsAuth')}
        </SettingField>
        {jsonData.tlsAuth && (
          <>
            <SettingField label={text.clientCert.label} id={id('cert')}>
              {unlessReadOnly(
                'tlsClientCert',
                <SecretTextArea
                  {...secret('tlsClientCert')}
                  rows={5}
                  placeholder={PEM_CERTIFICATE}
                  onChange={(event) => setSecret('tlsClientCert', event.currentTarget.value)}
                />,
              )}
            </SettingField>
            <SettingField label={text.clientKey.label} id={id('key')}>
              {unlessReadOnly(
                'tlsClientKey',
                <SecretTextArea
                  {...secret('tlsClientKey')}
                  rows={5}
                  placeholder={PEM_KEY}
                  onChange={(event) => setSecret('tlsClientKey', event.currentTarget.value)}
                />,
              )}
            </SettingField>
          </>
        )}
        <SettingField label={text.serverName.label} description={text.serverName.description} id={id('serverName')}>
          <Input
            width={WIDTH}
            value={jsonData.serverName ?? ''}
            placeholder="userpulse.internal"
            disabled={readOnly}
            onChange={(event) => setJson({ serverName: event.currentTarget.value.trim() || undefined })}
          />
        </SettingField>
        <SettingField label={text.skipVerify.label} description={text.skipVerify.description} id={id('tlsSkipVerify')}>
          {flag('tlsSkipVerify')}
        </SettingField>
      </Section>

      <Section title={text.access.title} description={text.access.description}>
        <SettingField label={text.sendUser.label} description={text.sendUser.description} id={id('sendUser')}>
          {flag('sendUser')}
        </SettingField>
        <SettingField label={text.basicAuth.label} description={text.basicAuth.description} id={id('basicAuth')}>
          <Switch
            value={options.basicAuth}
            disabled={readOnly}
            onChange={(event) => onOptionsChange({ ...options, basicAuth: event.currentTarget.checked })}
          />
        </SettingField>
        {options.basicAuth && (
          <>
            <SettingField label={text.basicAuthUser.label} id={id('basicAuthUser')}>
              <Input
                width={WIDTH}
                value={options.basicAuthUser}
                disabled={readOnly}
                onChange={(event) => onOptionsChange({ ...options, basicAuthUser: event.currentTarget.value })}
              />
            </SettingField>
            <SettingField label={text.basicAuthPassword.label} id={id('basicAuthPassword')}>
              {unlessReadOnly(
                'basicAuthPassword',
                <SecretInput
                  {...secret('basicAuthPassword')}
                  width={WIDTH}
                  onChange={(event) => setSecret('basicAuthPassword', event.currentTarget.value)}
                />,
              )}
            </SettingField>
          </>
        )}
        {!readOnly && <CustomHeadersSettings dataSourceConfig={options} onChange={onOptionsChange} />}
      </Section>

      <Section title={text.display.title}>
        <SettingField label={text.links.label} description={text.links.description} id={id('links')}>
          <Switch
            value={jsonData.dashboardLinks !== false}
            disabled={readOnly}
            onChange={(event) => setJson({ dashboardLinks: event.currentTarget.checked })}
          />
        </SettingField>
      </Section>
    </div>
  );
}

const id = (field: string) => `userpulse-config-${field}`;
const PEM_CERTIFICATE = 'Begins with -----BEGIN CERTIFICATE-----';
const PEM_KEY = 'Begins with -----BEGIN PRIVATE KEY-----';

interface SectionProps {
  readonly title: string;
  readonly description?: string;
  readonly children: ReactNode;
}

function Section({ title, description, children }: SectionProps) {
  const styles = useStyles2(getStyles);
  return (
    <section className={styles.section} aria-label={title}>
      <h3 className={styles.title}>{title}</h3>
      {description && <p className={styles.description}>{description}</p>}
      {children}
    </section>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  form: css({ maxWidth: 640 }),
  section: css({
    '& + &': {
      marginTop: theme.spacing(4),
      paddingTop: theme.spacing(3),
      borderTop: `1px solid ${theme.colors.border.weak}`,
    },
  }),
  title: css({ ...theme.typography.h4, marginBottom: theme.spacing(0.5) }),
  description: css({ color: theme.colors.text.secondary, marginBottom: theme.spacing(2) }),
});
