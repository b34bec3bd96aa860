module.exports = {
  /** The Bellhop server. It has to be among the mini program's domains, for request, socket, uploadFile and downloadFile. */
  url: 'https://chat.example',
  /** The queue that is asked. */
  queue: 'default',
  /** Asks your own server, which knows who `wx.login` tells, and Bellhop's API key, for a token. */
  token: (wx) =>
    new Promise((resolve, reject) => {
      wx.login({
        success: ({ code }) =>
          wx.request({
            url: 'https://shop.example/chat-token',
            method: 'POST',
            data: { code },
            success: ({ statusCode, data }) => (statusCode === 200 ? resolve(data.token) : reject(new Error(`token: ${statusCode}`))),
            fail: ({ errMsg }) => reject(new Error(errMsg)),
          }),
        fail: ({ errMsg }) => reject(new Error(errMsg)),
      })
    }),
}
