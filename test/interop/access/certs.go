package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net/http"
	"time"

	x509request "k8s.io/apiserver/pkg/authentication/request/x509"
)

// CertificateCase is what a client shows, its own certificate first, to a server that believes CA.
type CertificateCase struct {
	Name  string `json:"name"`
	CA    string `json:"ca"`
	Chain string `json:"chain"`
	// Key of the first, where it is used for a connection.
	Key   string `json:"key,omitempty"`
	User  *User  `json:"user,omitempty"`
	Error string `json:"error,omitempty"`
}

type party struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var serial int64

func issue(template *x509.Certificate, by *party) *party {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	serial++
	template.SerialNumber = big.NewInt(serial)
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	parent := &party{template, key}
	if by != nil {
		parent = by
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, &key.PublicKey, parent.key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &party{cert, key}
}

func authority(name string, by *party, change func(*x509.Certificate)) *party {
	t := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	if change != nil {
		change(t)
	}
	return issue(t, by)
}

func text(parties ...*party) string {
	out := ""
	for _, p := range parties {
		out += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw}))
	}
	return out
}

var uidOID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57683, 2}

func certificates() []CertificateCase {
	ca := authority("ca", nil, nil)
	other := authority("other", nil, nil)
	middle := authority("middle", ca, nil)
	short := authority("short", ca, func(t *x509.Certificate) { t.MaxPathLenZero = true })
	below := authority("below", short, nil)
	stale := authority("stale", ca, func(t *x509.Certificate) { t.NotAfter = time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC) })
	noCA := authority("noca", ca, func(t *x509.Certificate) { t.IsCA = false; t.KeyUsage = x509.KeyUsageDigitalSignature })
	serverOnly := authority("serveronly", ca, func(t *x509.Certificate) { t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	subject := func(names ...pkix.AttributeTypeAndValue) pkix.Name {
		return pkix.Name{CommonName: "ann", ExtraNames: append([]pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "ann"}}, names...)}
	}
	uid := func(v any) pkix.AttributeTypeAndValue { return pkix.AttributeTypeAndValue{Type: uidOID, Value: v} }
	org := func(v string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: v}
	}
	var cases []CertificateCase
	add := func(name string, t *x509.Certificate, by *party, more ...*party) {
		leaf := issue(t, by)
		c := CertificateCase{Name: name, CA: text(ca), Chain: text(append([]*party{leaf}, more...)...)}
		opts := x509request.DefaultVerifyOptions()
		opts.Roots = x509.NewCertPool()
		opts.Roots.AddCert(ca.cert)
		peers := []*x509.Certificate{leaf.cert}
		for _, m := range more {
			peers = append(peers, m.cert)
		}
		r, _ := http.NewRequest("GET", "/", nil)
		r.TLS = &tls.ConnectionState{PeerCertificates: peers}
		response, ok, err := x509request.New(opts, x509request.CommonNameUserConversion).AuthenticateRequest(r)
		if err != nil {
			c.Error = err.Error()
		} else if ok {
			c.User = shown(response.User)
		}
		if name == "middle" {
			der, _ := x509.MarshalECPrivateKey(leaf.key)
			c.Key = string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
		}
		cases = append(cases, c)
	}
	add("plain", &x509.Certificate{Subject: subject(), ExtKeyUsage: client}, ca)
	add("groups", &x509.Certificate{Subject: subject(org("b"), org("a"), org("b")), ExtKeyUsage: client}, ca)
	add("empty group", &x509.Certificate{Subject: subject(org("")), ExtKeyUsage: client}, ca)
	add("no name", &x509.Certificate{Subject: pkix.Name{Organization: []string{"g"}}, ExtKeyUsage: client}, ca)
	add("nothing", &x509.Certificate{ExtKeyUsage: client}, ca)
	add("two names", &x509.Certificate{Subject: subject(pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "bob"}), ExtKeyUsage: client}, ca)
	add("odd name", &x509.Certificate{Subject: pkix.Name{CommonName: "sys:ä \"x\", CN=y\n", Organization: []string{"O=1, x+y", "ü"}}, ExtKeyUsage: client}, ca)
	add("uid", &x509.Certificate{Subject: subject(uid("7")), ExtKeyUsage: client}, ca)
	add("two uids", &x509.Certificate{Subject: subject(uid("7"), uid("8")), ExtKeyUsage: client}, ca)
	add("same uid twice", &x509.Certificate{Subject: subject(uid("7"), uid("7")), ExtKeyUsage: client}, ca)
	add("empty uid", &x509.Certificate{Subject: subject(uid("")), ExtKeyUsage: client}, ca)
	add("odd uid", &x509.Certificate{Subject: subject(uid("ä, \"b\"")), ExtKeyUsage: client}, ca)
	add("no usage", &x509.Certificate{Subject: subject()}, ca)
	add("server usage", &x509.Certificate{Subject: subject(), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, ca)
	add("any usage", &x509.Certificate{Subject: subject(), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}, ca)
	add("both usages", &x509.Certificate{Subject: subject(), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, ca)
	add("expired", &x509.Certificate{Subject: subject(), ExtKeyUsage: client, NotAfter: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)}, ca)
	add("not yet", &x509.Certificate{Subject: subject(), ExtKeyUsage: client, NotBefore: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)}, ca)
	add("unknown", &x509.Certificate{Subject: subject(), ExtKeyUsage: client}, other)
	add("unknown with its authority", &x509.Certificate{Subject: subject(), ExtKeyUsage: client}, other, other)
	add("middle", &x509.Certificate{Subject: subject(org("g")), ExtKeyUsage: client}, middle, middle)
	add("middle and root", &x509.Certificate{Subject: subject(), ExtKeyUsage: client}, middle, middle, ca)
	add("middle behind another", &x509.Certificate{Subject: subject(), ExtKeyUsage: client}, middle, other, middle)
	add("middle missing", &x509.Certificate{Subject: subject(), ExtKeyUsage: client}, middle)
	add("stale middle", &x509.Certificate{Subject: subject(), ExtKeyUsage: client}, stale, stale)
	add("middle that is none", &x509.Certificate{Subject: subject(), ExtKeyUsage: client}, noCA, noCA)
	add("two middles", &x509.Certificate{Subject: subject(), ExtKeyUsage: client}, below, below, short)
	add("short path", &x509.Certificate{Subject: subject(), ExtKeyUsage: client}, short, short)
	add("middle for servers", &x509.Certificate{Subject: subject(), ExtKeyUsage: client}, serverOnly, serverOnly)
	add("critical extension", &x509.Certificate{Subject: subject(), ExtKeyUsage: client, ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}}, ca)
	add("root itself", &x509.Certificate{Subject: subject(), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, ca)
	return cases
}
