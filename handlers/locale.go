package handlers

import (
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/text/language"

	"bellhop/broker/chat"
)

// languageOf is the language of what people read: that of `lang`, else the first of
// Accept-Language that is known here, else English.
func languageOf(c *gin.Context) (string, error) {
	if lang, given := c.GetQuery("lang"); given {
		tag, err := language.Parse(lang)
		if known := spoken(tag); err == nil && known != "" {
			return known, nil
		}
		return "", chat.Errorf(chat.CodeBadRequest, "lang: zh or en")
	}
	wanted, _, _ := language.ParseAcceptLanguage(c.GetHeader("Accept-Language")) // best first; none where it makes no sense
	for _, tag := range wanted {
		if known := spoken(tag); known != "" {
			return known, nil
		}
	}
	return "en", nil
}

// spoken is the key of a language's words; "" where there are none.
func spoken(tag language.Tag) string {
	base, _ := tag.Base()
	switch base.String() {
	case "en":
		return "en"
	case "zh", "yue", "wuu", "nan", "hak": // one written language
		return "zh"
	}
	return ""
}

// zoneOf is the time zone that people read times in: `tz`, or UTC.
func zoneOf(c *gin.Context) (*time.Location, error) {
	name := c.Query("tz")
	zone, err := time.LoadLocation(name)
	if err != nil || strings.EqualFold(name, "local") {
		return nil, chat.Errorf(chat.CodeBadRequest, "tz: the name of a time zone, like Asia/Shanghai")
	}
	return zone, nil
}
