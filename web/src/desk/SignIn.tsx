import { Button, Form, Input } from 'antd'
import { useT } from '../lib/i18n'

/** For who comes without a token in the page's address. */
export function SignIn({ onToken }: { onToken: (token: string) => void }) {
  const t = useT()
  return (
    <main className="desk-sign-in">
      <h1>{t('desk.title')}</h1>
      <p>{t('desk.sign-in.how')}</p>
      <Form layout="vertical" onFinish={({ token }: { token: string }) => onToken(token.trim())}>
        <Form.Item name="token" label={t('desk.token')} rules={[{ required: true, whitespace: true, message: t('desk.token') }]}>
          <Input.Password autoFocus autoComplete="off" />
        </Form.Item>
        <Button type="primary" htmlType="submit" block>{t('desk.sign-in')}</Button>
      </Form>
    </main>
  )
}
