package broker

import (
	"context"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"bellhop/broker/chat"
)

var errFilter = errors.New("the filter's text is empty, too long or not UTF-8")

// screen asks the filter, if there is one. limit is in bytes.
func (b *Broker) screen(ctx context.Context, in chat.FilterInput, limit int) (string, error) {
	if b.opt.Filter == nil || in.Text == "" {
		return in.Text, nil
	}
	text, err := b.opt.Filter.Filter(ctx, in)
	switch {
	case err != nil:
		return "", err
	case !utf8.ValidString(text) || len(text) > limit || text == "":
		return "", &chat.Error{Code: chat.CodeInternal, Message: "something went wrong on our side", Err: errFilter}
	}
	return text, nil
}

// screenBody is screen for a message's body, which is JSON as chat.MessageBody makes it.
func (b *Broker) screenBody(ctx context.Context, r chat.SendRequest, from chat.Author, body string) (string, error) {
	if b.opt.Filter == nil {
		return body, nil
	}
	in := chat.FilterInput{Session: r.Session, From: from, Type: r.Type}
	switch {
	case r.Type == chat.TypeText:
		if err := json.Unmarshal([]byte(body), &in.Text); err != nil {
			return "", err
		}
		text, err := b.screen(ctx, in, chat.MaxText)
		if err != nil || text == in.Text {
			return body, err
		}
		return chat.Quote(text), nil
	case chat.IsFile(r.Type):
		var f chat.FileInfo
		if err := json.Unmarshal([]byte(body), &f); err != nil {
			return "", err
		}
		in.Text = f.Name
		name, err := b.screen(ctx, in, chat.MaxFileName)
		if err != nil || name == f.Name {
			return body, err
		}
		f.Name = name
		return chat.Encode(f), nil
	case r.Type == chat.TypeCard, r.Type == chat.TypeNote: // a card is data, and users see no note
		return body, nil
	default:
		return "", &chat.Error{Code: chat.CodeInternal, Message: "something went wrong on our side", Err: errors.New("broker: no rule for the texts of type " + r.Type)}
	}
}
