/** What a chat needs most, in the order WeChat's users expect: faces, hands, hearts, things. */
export const emoji = [
  ...'😀😁😂🤣😊😇🙂😉😍🥰😘😋😜🤪🤔🤨😐😑😶😏😒🙄😬😮😯😲😳🥺😢😭😤😠😡🤯😱😨😰😓🤗🤭🤫😴🤒🤧😷🥳😎🤓🙈👀',
].concat(['👍', '👎', '👌', '✌️', '🤞', '🤝', '👏', '🙏', '💪', '👋', '☝️', '👇', '❤️', '💔', '💯', '🔥', '🎉', '🎁', '🌹', '⭐', '✅', '❌', '❓', '❗', '⏰', '📦', '🚚', '💰', '📱', '☕'])
