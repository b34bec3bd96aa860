package main

import (
	"errors"
	"fmt"

	"bellhop/webhook"
)

// validateWebhook refuses one of the two settings without the other, and what cannot work.
func (s *Settings) validateWebhook() error {
	switch {
	case !s.WebhookURL.IsSet() && len(s.WebhookSecret) == 0:
		return nil
	case !s.WebhookURL.IsSet():
		return errors.New("--webhook-url: missing, and --webhook-secret is of no use without it")
	case len(s.WebhookSecret) == 0:
		return errors.New("--webhook-secret: required with --webhook-url; what is not signed, anybody could have sent")
	case len(s.WebhookSecret) > 2:
		return errors.New("--webhook-secret: one, or two for rotation")
	}
	if err := webhook.CheckURL(s.WebhookURL.Reveal()); err != nil {
		return fmt.Errorf("--webhook-url: %w", err)
	}
	for _, secret := range s.WebhookSecret {
		if err := webhook.CheckSecret(secret.Reveal()); err != nil {
			return fmt.Errorf("--webhook-secret: %w", err)
		}
	}
	return nil
}

// webhook is where events go; nil for nowhere.
func (s *Settings) webhook() (*webhook.Endpoint, error) {
	if !s.WebhookURL.IsSet() {
		return nil, nil //nolint:nilnil // none is set up
	}
	return webhook.New(webhook.Options{URL: s.WebhookURL.Reveal(), Secrets: revealAll(s.WebhookSecret)})
}
