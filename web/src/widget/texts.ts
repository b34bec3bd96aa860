const en = { open: 'Chat with us', close: 'Close the chat', unread: '{n} unread', frame: 'Customer service' }
const zh: typeof en = { open: '联系客服', close: '收起聊天', unread: '{n}条未读消息', frame: '在线客服' }

export const texts = (lang: string) => (lang.toLowerCase().startsWith('zh') ? zh : en)
