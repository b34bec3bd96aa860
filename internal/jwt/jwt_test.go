package jwt

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"bellhop/broker"
	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

var secret = strings.Repeat("s", 32)

// issuer has keys of all kinds, made once: RSA ones take their time.
type issuer struct {
	rsa, small *rsa.PrivateKey
	p256, p384 *ecdsa.PrivateKey
	ed         ed25519.PrivateKey
}

var issuers = sync.OnceValue(func() *issuer {
	var i issuer
	var errs [5]error
	i.rsa, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	i.small, errs[1] = rsa.GenerateKey(rand.Reader, 1024)
	i.p256, errs[2] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	i.p384, errs[3] = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, i.ed, errs[4] = ed25519.GenerateKey(rand.Reader)
	for _, err := range errs {
		if err != nil {
			panic(err)
		}
	}
	return &i
})

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// set is the issuer's JWK Set, with keys in it that must not verify anything.
func (i *issuer) set(t testing.TB) string {
	n, small := b64(i.rsa.N.Bytes()), b64(i.small.N.Bytes())
	point := func(k *ecdsa.PrivateKey) string {
		raw, err := k.PublicKey.Bytes()
		require.NoError(t, err)
		return fmt.Sprintf(`"x":"%s","y":"%s"`, b64(raw[1:1+len(raw)/2]), b64(raw[1+len(raw)/2:]))
	}
	public, ok := i.ed.Public().(ed25519.PublicKey)
	require.True(t, ok)
	return `{"keys":[
		{"kty":"RSA","kid":"rsa","use":"sig","alg":"RS256","e":"AQAB","n":"` + n + `"},
		{"kty":"EC","kid":"ec","crv":"P-256",` + point(i.p256) + `},
		{"kty":"OKP","kid":"ed","crv":"Ed25519","key_ops":["verify"],"x":"` + b64(public) + `"},
		{"kty":"RSA","kid":"for-encryption","use":"enc","e":"AQAB","n":"` + n + `"},
		{"kty":"RSA","kid":"wraps","key_ops":["wrapKey"],"e":"AQAB","n":"` + n + `"},
		{"kty":"RSA","kid":"of-another-alg","alg":"PS256","e":"AQAB","n":"` + n + `"},
		{"kty":"RSA","kid":"small","e":"AQAB","n":"` + small + `"},
		{"kty":"RSA","kid":"published","e":"AQAB","n":"` + n + `","d":"` + b64(i.rsa.D.Bytes()) + `"},
		{"kty":"EC","kid":"p384","crv":"P-384",` + point(i.p384) + `},
		{"kty":"oct","kid":"oct","k":"` + b64([]byte(secret)) + `"},
		{"kty":"new","kid":"new"}, 7, {"kty":"RSA","kid":"broken","e":"AQAB"}
	]}`
}

// sign signs whatever texts it is given for header and claims.
func (i *issuer) sign(t testing.TB, method, header, body string, key any) string {
	t.Helper()
	text := b64([]byte(header)) + "." + b64([]byte(body))
	m := jwt.GetSigningMethod(method)
	sig, err := m.Sign(text, key)
	require.NoError(t, err)
	return text + "." + b64(sig)
}

// known is a jwks that has a set without having asked anybody.
func known(t testing.TB, set string) *jwks {
	keys, err := readKeys([]byte(set))
	require.NoError(t, err)
	return &jwks{keys: keys, begun: time.Now().Add(time.Hour), now: time.Now, changed: make(chan struct{})}
}

// verify is whether a token is accepted, as far as its text tells.
func verify(t testing.TB, v *Verifier, token string) error {
	_, err := v.Verify(t.Context(), token)
	return err
}

func newTestVerifier(t testing.TB, audience, issuer string) *Verifier {
	return newVerifier(Options{Secret: secret, Audience: audience, Issuer: issuer}, known(t, issuers().set(t)), time.Now)
}

// at is a time in seconds, some from now.
func at(d time.Duration) string { return fmt.Sprint(time.Now().Add(d).Unix()) }

// Who a JWT is decides its text exactly; anything odd about it is refused.
func TestWhatAJWTMustSay(t *testing.T) {
	i := issuers()
	ask := asker(t)
	exp := `"exp":` + at(time.Hour)
	ann := `"sub":"ann","role":"agent"`
	for _, c := range []struct {
		name, header, body string
		good               bool
	}{
		{"plain", ``, ann + `,` + exp, true},
		{"all there is", ``, ann + `,` + exp + `,"iat":` + at(0) + `,"nbf":` + at(0) + `,"name":"Ann","avatar":"https://x.example/a","queues":["x"],"capacity":3,"priority":1,"aud":["a"],"iss":"x","jti":"1","email":"ann@x.example"`, true},
		{"iat within the leeway", ``, ann + `,` + exp + `,"iat":` + at(25*time.Second), true},
		{"iat beyond it", ``, ann + `,` + exp + `,"iat":` + at(32*time.Second), false},
		{"iat far ahead", ``, ann + `,"exp":` + at(200*time.Hour) + `,"iat":` + at(100*time.Hour), false},
		{"nbf within the leeway", ``, ann + `,` + exp + `,"nbf":` + at(25*time.Second), true},
		{"nbf beyond it", ``, ann + `,` + exp + `,"nbf":` + at(32*time.Second), false},
		{"no exp", ``, ann, false}, {"exp null", ``, ann + `,"exp":null`, false}, {"exp passed", ``, ann + `,"exp":` + at(-time.Minute), false},
		{"exp a string", ``, ann + `,"exp":"` + at(time.Hour) + `"`, false}, {"exp a list", ``, ann + `,"exp":[` + at(time.Hour) + `]`, false},
		{"exp with a fraction", ``, ann + `,"exp":` + at(time.Hour) + `.5`, true}, {"exp by an exponent", ``, ann + `,"exp":9e9`, true},
		{"exp of 1e300", ``, ann + `,"exp":1e300`, false}, {"exp of 1e999", ``, ann + `,"exp":1e999`, false}, {"exp of -1", ``, ann + `,"exp":-1`, false},
		{"exp past the year 9999", ``, ann + `,"exp":253402300800`, false}, {"exp of 2^63", ``, ann + `,"exp":9223372036854775808`, false},
		{"exp in ms", ``, ann + `,"exp":` + at(time.Hour) + `000`, false}, {"NaN", ``, ann + `,"exp":NaN`, false},
		{"iat a string", ``, ann + `,` + exp + `,"iat":"` + at(0) + `"`, false}, {"iat negative", ``, ann + `,` + exp + `,"iat":-5`, false},
		{"iat null", ``, ann + `,` + exp + `,"iat":null`, false}, {"nbf a bool", ``, ann + `,` + exp + `,"nbf":true`, false}, {"iat huge", ``, ann + `,` + exp + `,"iat":1e19`, false},
		{"crit", `"crit":["exp"]`, ann + `,` + exp, false}, {"crit unknown", `"crit":["x"],"x":1`, ann + `,` + exp, false},
		{"crit empty", `"crit":[]`, ann + `,` + exp, false}, {"crit null", `"crit":null`, ann + `,` + exp, false},
		{"b64", `"crit":["b64"],"b64":false`, ann + `,` + exp, false},
		{"a member twice in the header", `"kid":"a","kid":"b"`, ann + `,` + exp, false},
		{"exp twice", ``, ann + `,` + exp + `,"exp":9e9`, false}, {"role twice", ``, `"sub":"ann","role":"user","role":"supervisor",` + exp, false},
		{"role twice, escaped", ``, `"sub":"ann","role":"user","\u0072ole":"supervisor",` + exp, false},
		{"names of another case are other names", ``, `"sub":"ann","Role":"supervisor","ROLE":"supervisor","role":"agent",` + exp, true},
		{"no role but one of another case", ``, `"sub":"ann","Role":"agent",` + exp, false},
		{"no exp but one of another case", ``, ann + `,"EXP":9e9`, false},
		{"no sub", ``, `"role":"agent",` + exp, false}, {"sub empty", ``, `"sub":"","role":"agent",` + exp, false},
		{"sub a number", ``, `"sub":7,"role":"agent",` + exp, false}, {"sub long", ``, `"sub":"` + strings.Repeat("a", 65) + `","role":"agent",` + exp, false},
		{"sub with a control", ``, `"sub":"a\u0000","role":"agent",` + exp, false},
		{"no role", ``, `"sub":"ann",` + exp, false}, {"role unknown", ``, `"sub":"ann","role":"admin",` + exp, false},
		{"role system", ``, `"sub":"ann","role":"system",` + exp, false}, {"role of another case", ``, `"sub":"ann","role":"Agent",` + exp, false},
		{"role a list", ``, `"sub":"ann","role":["agent"],` + exp, false}, {"role a number", ``, `"sub":"ann","role":2,` + exp, false},
		{"queues a string", ``, ann + `,"queues":"x",` + exp, false}, {"queues of numbers", ``, ann + `,"queues":[1],` + exp, false},
		{"queues an object", ``, ann + `,"queues":{},` + exp, false}, {"a queue empty", ``, ann + `,"queues":[""],` + exp, false},
		{"capacity negative", ``, ann + `,"capacity":-1,` + exp, false}, {"capacity huge", ``, ann + `,"capacity":1e30,` + exp, false},
		{"capacity too much", ``, ann + `,"capacity":10001,` + exp, false}, {"capacity a string", ``, ann + `,"capacity":"5",` + exp, false},
		{"capacity with a fraction", ``, ann + `,"capacity":1.5,` + exp, false}, {"priority negative", ``, ann + `,"priority":-1,` + exp, false},
		{"priority 10", ``, ann + `,"priority":10,` + exp, false}, {"name an object", ``, ann + `,"name":{},` + exp, false},
		{"name long", ``, ann + `,"name":"` + strings.Repeat("n", 65) + `",` + exp, false}, {"aud a number", ``, ann + `,"aud":1,` + exp, false},
		{"more after the claims", ``, ann + `,` + exp + `} {`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := `{"alg":"HS256"`
			if c.header != "" {
				header += `,` + c.header
			}
			err := ask(i.sign(t, "HS256", header+`}`, `{`+c.body+`}`, []byte(secret)))
			if c.good {
				require.NoError(t, err)
				return
			}
			refused(t, err)
		})
	}
	for _, claims := range []string{`null`, `[]`, `"x"`, `7`, ``, `{`, `{"exp":9e9`} {
		refused(t, ask(i.sign(t, "HS256", `{"alg":"HS256"}`, claims, []byte(secret))))
	}
}

// asker is a broker that takes JWTs of the secret and of the issuer, who has no newer keys.
func asker(t *testing.T) func(token string) error {
	t.Helper()
	rdb, err := broker.Dial(testenv.Shared(t, testenv.EngineEmbedded))
	require.NoError(t, err)
	b, err := broker.New(t.Context(), broker.Options{Redis: rdb, FirstPartitions: 16, JWT: newTestVerifier(t, "", "").Verify, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, b.Close(context.WithoutCancel(t.Context())))
		require.NoError(t, rdb.Close())
	})
	return func(token string) error {
		_, err := b.Authenticate(t.Context(), token)
		return err
	}
}

// refused is that a token is not valid.
func refused(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, chat.CodeUnauthorized, chat.AsError(err).Code, "%v", err)
}

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// What signed a JWT must be a key for that, of the algorithm that its header names.
func TestWhatMaySignAJWT(t *testing.T) {
	i := issuers()
	ask := asker(t)
	body := `{"sub":"ann","role":"agent","exp":` + at(time.Hour) + `}`
	der, err := x509.MarshalPKIXPublicKey(&i.rsa.PublicKey)
	require.NoError(t, err)
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	hmacKey := []byte(secret)
	for _, c := range []struct {
		name, method, header string
		key                  any
		good                 bool
	}{
		{"HS256", "HS256", `{"alg":"HS256"}`, hmacKey, true},
		{"HS256, its kid not looked at", "HS256", `{"alg":"HS256","kid":"x"}`, hmacKey, true},
		{"RS256", "RS256", `{"alg":"RS256","kid":"rsa"}`, i.rsa, true},
		{"ES256", "ES256", `{"alg":"ES256","kid":"ec"}`, i.p256, true},
		{"EdDSA", "EdDSA", `{"alg":"EdDSA","kid":"ed"}`, i.ed, true},
		{"RS256 without kid", "RS256", `{"alg":"RS256"}`, i.rsa, true},
		{"EdDSA without kid", "EdDSA", `{"alg":"EdDSA"}`, i.ed, true},
		{"another secret", "HS256", `{"alg":"HS256"}`, []byte("x"), false},
		{"no secret", "HS256", `{"alg":"HS256"}`, []byte{}, false},
		{"HS512", "HS512", `{"alg":"HS512"}`, hmacKey, false},
		{"none", "none", `{"alg":"none"}`, jwt.UnsafeAllowNoneSignatureType, false},
		{"None", "none", `{"alg":"None"}`, jwt.UnsafeAllowNoneSignatureType, false},
		{"NONE with a kid", "none", `{"alg":"NONE","kid":"rsa"}`, jwt.UnsafeAllowNoneSignatureType, false},
		{"alg empty", "none", `{"alg":""}`, jwt.UnsafeAllowNoneSignatureType, false},
		{"alg missing", "HS256", `{"typ":"JWT"}`, hmacKey, false},
		{"alg a list", "HS256", `{"alg":["HS256"]}`, hmacKey, false},
		{"alg of another case", "HS256", `{"alg":"hs256"}`, hmacKey, false},
		{"alg twice", "HS256", `{"alg":"RS256","alg":"HS256"}`, hmacKey, false},
		{"HS256 by the RSA key as PEM", "HS256", `{"alg":"HS256","kid":"rsa"}`, asPEM, false},
		{"HS256 by the RSA key as DER", "HS256", `{"alg":"HS256","kid":"rsa"}`, der, false},
		{"HS256 by the RSA modulus", "HS256", `{"alg":"HS256","kid":"rsa"}`, i.rsa.N.Bytes(), false},
		{"HS256 by the Ed25519 key", "HS256", `{"alg":"HS256","kid":"ed"}`, []byte(i.ed.Public().(ed25519.PublicKey)), false}, //nolint:forcetypeassert // a test
		{"RS512", "RS512", `{"alg":"RS512","kid":"rsa"}`, i.rsa, false},
		{"PS256", "PS256", `{"alg":"PS256","kid":"rsa"}`, i.rsa, false},
		{"PS256 by a key for it", "PS256", `{"alg":"PS256","kid":"of-another-alg"}`, i.rsa, false},
		{"RS256 by a key for PS256", "RS256", `{"alg":"RS256","kid":"of-another-alg"}`, i.rsa, false},
		{"RS256 by an EC key's kid", "RS256", `{"alg":"RS256","kid":"ec"}`, i.rsa, false},
		{"ES256 by an RSA key's kid", "ES256", `{"alg":"ES256","kid":"rsa"}`, i.p256, false},
		{"ES384", "ES384", `{"alg":"ES384","kid":"p384"}`, i.p384, false},
		{"ES256 with a P-384 kid", "ES256", `{"alg":"ES256","kid":"p384"}`, i.p256, false},
		{"a key for encryption", "RS256", `{"alg":"RS256","kid":"for-encryption"}`, i.rsa, false},
		{"a key that wraps", "RS256", `{"alg":"RS256","kid":"wraps"}`, i.rsa, false},
		{"a key too small", "RS256", `{"alg":"RS256","kid":"small"}`, i.small, false},
		{"a private key that was published", "RS256", `{"alg":"RS256","kid":"published"}`, i.rsa, false},
		{"a symmetric key that was published", "HS256", `{"alg":"HS256","kid":"oct"}`, []byte("not the secret, but what is at oct"), false},
		{"a kid nobody knows", "RS256", `{"alg":"RS256","kid":"x"}`, i.rsa, false},
		{"a kid that is a number", "RS256", `{"alg":"RS256","kid":7}`, i.rsa, false},
		{"a kid that is a path", "RS256", `{"alg":"RS256","kid":"../rsa"}`, i.rsa, false},
		{"a key of its own in the header", "RS256", `{"alg":"RS256","kid":"x","jwk":{"kty":"oct","k":"eA"}}`, i.rsa, false},
		{"a place for keys of its own", "RS256", `{"alg":"RS256","kid":"x","jku":"https://evil.example/"}`, i.rsa, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := ask(i.sign(t, c.method, c.header, body, c.key))
			if c.good {
				require.NoError(t, err)
				return
			}
			refused(t, err)
		})
	}

	t.Log("without a secret HS256 is refused, with an empty one and with none")
	rs := newVerifier(Options{}, known(t, i.set(t)), time.Now)
	for _, k := range [][]byte{nil, {}, asPEM, der} {
		mac := hmac.New(sha256.New, k)
		text := b64([]byte(`{"alg":"HS256"}`)) + "." + b64([]byte(body))
		mac.Write([]byte(text))
		require.Error(t, verify(t, rs, text+"."+b64(mac.Sum(nil))))
	}
	t.Log("without keys nothing else is accepted")
	require.Error(t, verify(t, newVerifier(Options{Secret: secret}, nil, time.Now),
		i.sign(t, "RS256", `{"alg":"RS256","kid":"rsa"}`, body, i.rsa)))

	t.Log("a signature changed in any of its bits is refused, in bits that mean nothing, too")
	good := i.sign(t, "HS256", `{"alg":"HS256"}`, body, hmacKey)
	require.NoError(t, verify(t, newTestVerifier(t, "", ""), good))
	last := good[len(good)-1]
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		if c != last {
			require.Error(t, verify(t, newTestVerifier(t, "", ""), good[:len(good)-1]+string(c)))
		}
	}
}

// With --jwt-audience and --jwt-issuer set, a JWT must be meant for us, and from there.
func TestAudienceAndIssuer(t *testing.T) {
	i := issuers()
	for _, c := range []struct {
		aud, iss string // settings
		claims   string
		good     bool
	}{
		{"", "", `"aud":"other","iss":"other"`, true}, {"", "", ``, true},
		{"bellhop", "", `"aud":"bellhop"`, true}, {"bellhop", "", `"aud":["x","bellhop"]`, true},
		{"bellhop", "", `"aud":"other"`, false}, {"bellhop", "", `"aud":["x"]`, false}, {"bellhop", "", `"aud":[]`, false},
		{"bellhop", "", `"aud":""`, false}, {"bellhop", "", ``, false}, {"bellhop", "", `"aud":null`, false},
		{"bellhop", "", `"aud":["bellhop",7]`, false}, {"bellhop", "", `"aud":{"bellhop":1}`, false}, {"bellhop", "", `"aud":"Bellhop"`, false},
		{"bellhop", "", `"aud":"bellhop "`, false}, {"bellhop", "", `"Aud":"bellhop"`, false}, {"a,b", "", `"aud":"a"`, false}, {"a,b", "", `"aud":"a,b"`, true},
		{"", "https://id.example", `"iss":"https://id.example"`, true}, {"", "https://id.example", `"iss":"https://id.example/"`, false},
		{"", "https://id.example", `"iss":["https://id.example"]`, false}, {"", "https://id.example", ``, false}, {"", "https://id.example", `"iss":""`, false},
		{"", "https://id.example", `"iss":"HTTPS://id.example"`, false},
		{"bellhop", "x", `"aud":"bellhop","iss":"x"`, true}, {"bellhop", "x", `"aud":"bellhop","iss":"y"`, false}, {"bellhop", "x", `"aud":"y","iss":"x"`, false},
	} {
		body := `{"sub":"ann","role":"agent","exp":` + at(time.Hour)
		if c.claims != "" {
			body += `,` + c.claims
		}
		v := newTestVerifier(t, c.aud, c.iss)
		for _, token := range []string{i.sign(t, "HS256", `{"alg":"HS256"}`, body+`}`, []byte(secret)),
			i.sign(t, "EdDSA", `{"alg":"EdDSA","kid":"ed"}`, body+`}`, i.ed)} {
			err := verify(t, v, token)
			require.Equal(t, c.good, err == nil, "%+v: %v", c, err)
		}
	}
}

// Of an iat counts what it says to the millisecond; one that says nothing is from before any revocation.
func TestWhenAJWTWasIssued(t *testing.T) {
	v := newTestVerifier(t, "", "")
	for claim, ms := range map[string]int64{``: 1, `,"iat":0`: 1, `,"iat":0.0001`: 1, `,"iat":1700000000`: 1700000000000, `,"iat":1700000000.123`: 1700000000123,
		`,"iat":1700000000.1239`: 1700000000124, `,"iat":1.7e9`: 1700000000000} {
		id, err := v.Verify(t.Context(), issuers().sign(t, "HS256", `{"alg":"HS256"}`,
			`{"sub":"ann","role":"agent","exp":9e9`+claim+`}`, []byte(secret)))
		require.NoError(t, err)
		require.Equal(t, ms, id.Issued.UnixMilli(), claim)
	}
}

// FuzzJWT signs whatever it is given: nothing panics, and what is accepted says who it is in one way only.
func FuzzJWT(f *testing.F) {
	v := newTestVerifier(f, "bellhop", "")
	for _, seed := range [][2]string{
		{`{"alg":"HS256"}`, `{"sub":"ann","role":"agent","aud":"bellhop","exp":9e9,"iat":1,"nbf":1,"queues":["x"],"capacity":3}`},
		{`{"alg":"HS256","kid":"rsa","crit":["x"]}`, `{"sub":"ann","role":"agent","aud":["bellhop"],"exp":1e300}`},
		{`{"alg":"RS256","kid":"rsa"}`, `{"sub":"a","sub":"b"}`}, {`{"alg":"none"}`, `{}`}, {`[]`, `null`}, {``, ``},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, header, body string) {
		token := issuers().sign(t, "HS256", header, body, []byte(secret))
		id, err := v.Verify(t.Context(), token)
		if err != nil {
			require.Contains(t, []chat.Code{chat.CodeUnauthorized, chat.CodeUnavailable}, chat.AsError(err).Code)
			return
		}
		var h map[string]any
		var c struct{ Aud any }
		require.NoError(t, json.Unmarshal([]byte(header), &h))
		require.NoError(t, json.Unmarshal([]byte(body), &c))
		require.Equal(t, "HS256", h["alg"])
		require.NotContains(t, h, "crit")
		require.False(t, id.Expires.IsZero())
		require.LessOrEqual(t, id.Expires.Unix(), int64(latest)+1)
		require.Positive(t, id.Issued.UnixMilli())
		require.Less(t, time.Until(id.Issued), clockLeeway+time.Second)
		require.NotEmpty(t, c.Aud)
	})
}
