BEGIN TRANSACTION;
CREATE TABLE about (
	name VARCHAR NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "about" VALUES('format','1');
CREATE TABLE activations (
	id INTEGER NOT NULL, 
	serial INTEGER NOT NULL, 
	time INTEGER NOT NULL, 
	peer VARCHAR NOT NULL, 
	entry TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE aliases (
	client INTEGER NOT NULL, 
	alias VARCHAR NOT NULL, 
	resource INTEGER NOT NULL, 
	PRIMARY KEY (client, alias)
)
 WITHOUT ROWID

;
INSERT INTO "aliases" VALUES(2,'temperature',3);
INSERT INTO "aliases" VALUES(2,'mode',4);
INSERT INTO "aliases" VALUES(7,'count',8);
INSERT INTO "aliases" VALUES(9,'count',10);
CREATE TABLE blobs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	complete INTEGER DEFAULT '0' NOT NULL
);
CREATE TABLE contents (
	id INTEGER NOT NULL, 
	model INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	meta TEXT NOT NULL, 
	protected INTEGER NOT NULL, 
	type VARCHAR DEFAULT '' NOT NULL, 
	size INTEGER DEFAULT '0' NOT NULL, 
	updated INTEGER NOT NULL, 
	blob INTEGER, 
	PRIMARY KEY (id)
);
CREATE TABLE grants (
	token VARCHAR(40) NOT NULL, 
	client INTEGER NOT NULL, 
	permissions TEXT NOT NULL, 
	expires FLOAT NOT NULL, 
	PRIMARY KEY (token)
);
CREATE TABLE groups (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	model INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	meta TEXT NOT NULL
);
CREATE TABLE ledger (
	client INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	time INTEGER NOT NULL, 
	change INTEGER NOT NULL, 
	PRIMARY KEY (client, kind, time)
)
 WITHOUT ROWID

;
INSERT INTO "ledger" VALUES(1,'client',1700000000,2);
INSERT INTO "ledger" VALUES(2,'dataport',1700000000,2);
INSERT INTO "ledger" VALUES(5,'client',1700000000,1);
INSERT INTO "ledger" VALUES(6,'client',1700000000,2);
INSERT INTO "ledger" VALUES(7,'dataport',1700000000,1);
INSERT INTO "ledger" VALUES(9,'dataport',1700000000,1);
CREATE TABLE members (
	id INTEGER NOT NULL, 
	"group" INTEGER NOT NULL, 
	type VARCHAR NOT NULL, 
	member VARCHAR NOT NULL, 
	expire INTEGER NOT NULL, 
	meta TEXT NOT NULL, 
	model INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE model_shares (
	model INTEGER NOT NULL, 
	vendor INTEGER NOT NULL, 
	PRIMARY KEY (model, vendor)
);
CREATE TABLE models (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	vendor INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	template_kind VARCHAR NOT NULL, 
	template VARCHAR(40) NOT NULL, 
	options VARCHAR NOT NULL, 
	next_place INTEGER DEFAULT '0' NOT NULL
);
INSERT INTO "models" VALUES(1,1,'thermo','rid','c71de7748f64e04b6520407935e092f6edaec230','',2);
CREATE TABLE pieces (
	blob INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	PRIMARY KEY (blob, number)
);
CREATE TABLE points (
	series INTEGER NOT NULL, 
	time INTEGER NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (series, time)
)
 WITHOUT ROWID

;
INSERT INTO "points" VALUES(3,100,'1.5');
INSERT INTO "points" VALUES(3,200,'2.5');
INSERT INTO "points" VALUES(4,1700000000,'eco');
INSERT INTO "points" VALUES(8,1700000000,'7');
INSERT INTO "points" VALUES(10,1700000000,'7');
CREATE TABLE ranges (
	id INTEGER NOT NULL, 
	model INTEGER NOT NULL, 
	format VARCHAR NOT NULL, 
	length INTEGER, 
	casing VARCHAR, 
	first INTEGER NOT NULL, 
	last INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE resources (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	rid VARCHAR(40) NOT NULL, 
	owner INTEGER, 
	type VARCHAR NOT NULL, 
	description TEXT NOT NULL, 
	created INTEGER NOT NULL, 
	modified INTEGER NOT NULL, 
	public INTEGER DEFAULT '0' NOT NULL, 
	subscribe VARCHAR(40), 
	cik VARCHAR(40), 
	key_status VARCHAR, 
	key_expires FLOAT, 
	UNIQUE (rid), 
	UNIQUE (cik)
);
INSERT INTO "resources" VALUES(1,'a4c6a5455f8aaf2c01f81cb7b60a4eec1871e811',NULL,'client','{"meta": "", "name": "root", "public": false, "limits": {"client": "inherit", "dataport": "inherit", "datarule": "inherit", "disk": "inherit", "dispatch": "inherit", "email": "inherit", "email_bucket": "inherit", "http": "inherit", "http_bucket": "inherit", "io": "inherit", "share": "inherit", "sms": "inherit", "sms_bucket": "inherit", "xmpp": "inherit", "xmpp_bucket": "inherit"}, "locked": false}',1700000000,1700000000,0,NULL,'34c72d9be7146c163f1652fbddcf729ea671b5b7','expired',NULL);
INSERT INTO "resources" VALUES(2,'09a9d734cbcb480709ac409da16090ad40405b93',1,'client','{"meta": "", "name": "kitchen", "public": false, "limits": {"client": "inherit", "dataport": "inherit", "datarule": "inherit", "disk": "inherit", "dispatch": "inherit", "email": "inherit", "email_bucket": "inherit", "http": "inherit", "http_bucket": "inherit", "io": "inherit", "share": "inherit", "sms": "inherit", "sms_bucket": "inherit", "xmpp": "inherit", "xmpp_bucket": "inherit"}, "locked": false}',1700000000,1700000000,0,NULL,'cccccccccccccccccccccccccccccccccccccccc','activated',NULL);
INSERT INTO "resources" VALUES(3,'bef0f8da979daae0c69125add4d4713118bc8fe8',2,'dataport','{"meta": "", "name": "", "public": false, "preprocess": [], "retention": {"count": "infinity", "duration": "infinity"}, "subscribe": null, "format": "float"}',1700000000,1700000000,0,NULL,NULL,NULL,NULL);
INSERT INTO "resources" VALUES(4,'7b296298ebd2059f96cd7bb7f892562ca48e2c91',2,'dataport','{"meta": "", "name": "", "public": false, "preprocess": [], "retention": {"count": "infinity", "duration": "infinity"}, "subscribe": null, "format": "string"}',1700000000,1700000000,0,NULL,NULL,NULL,NULL);
INSERT INTO "resources" VALUES(5,'00e6fdf51cda9799c69b8007b18a8e24a5b4c11c',1,'client','{"meta": "", "name": "acme", "public": false, "limits": {"client": "inherit", "dataport": "inherit", "datarule": "inherit", "disk": "inherit", "dispatch": "inherit", "email": "inherit", "email_bucket": "inherit", "http": "inherit", "http_bucket": "inherit", "io": "inherit", "share": "inherit", "sms": "inherit", "sms_bucket": "inherit", "xmpp": "inherit", "xmpp_bucket": "inherit"}, "locked": false}',1700000000,1700000000,0,NULL,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','activated',NULL);
INSERT INTO "resources" VALUES(6,'6d08451525071d84ba86bd17c95cf7b60cf19367',5,'client','{"meta": "", "name": "portal", "public": false, "limits": {"client": "inherit", "dataport": "inherit", "datarule": "inherit", "disk": "inherit", "dispatch": "inherit", "email": "inherit", "email_bucket": "inherit", "http": "inherit", "http_bucket": "inherit", "io": "inherit", "share": "inherit", "sms": "inherit", "sms_bucket": "inherit", "xmpp": "inherit", "xmpp_bucket": "inherit"}, "locked": false}',1700000000,1700000000,0,NULL,'6c2f8e197936a6347d8226f33ccc675f9efd2ed5','activated',NULL);
INSERT INTO "resources" VALUES(7,'c71de7748f64e04b6520407935e092f6edaec230',6,'client','{"meta": "", "name": "", "public": false, "limits": {"client": 0, "dataport": 3, "datarule": 0, "disk": 0, "dispatch": 0, "email": 0, "email_bucket": 0, "http": 0, "http_bucket": 0, "io": 0, "share": 0, "sms": 0, "sms_bucket": 0, "xmpp": 0, "xmpp_bucket": 0}, "locked": false}',1700000000,1700000000,0,NULL,'eb55f824636f085c221d3ed08ac431165c6fbd6f','activated',NULL);
INSERT INTO "resources" VALUES(8,'67a6deb3b5c49c319985b2bcab9dbb49a54bfb91',7,'dataport','{"meta": "", "name": "", "public": false, "preprocess": [], "retention": {"count": "infinity", "duration": "infinity"}, "subscribe": null, "format": "integer"}',1700000000,1700000000,0,NULL,NULL,NULL,NULL);
INSERT INTO "resources" VALUES(9,'e543c0f4fa0399f5ad4cfbc1688e8b971ca2069a',6,'client','{"meta": "", "name": "", "public": false, "limits": {"client": 0, "dataport": 3, "datarule": 0, "disk": 0, "dispatch": 0, "email": 0, "email_bucket": 0, "http": 0, "http_bucket": 0, "io": 0, "share": 0, "sms": 0, "sms_bucket": 0, "xmpp": 0, "xmpp_bucket": 0}, "locked": false}',1700000000,1700000000,0,NULL,'3fed37e2b2fee56c155e961c0185d83711cfc0a6','notactivated',1700086400.0);
INSERT INTO "resources" VALUES(10,'ea2746ece3a0e1b073c34b6f0328811df25913eb',9,'dataport','{"meta": "", "name": "", "public": false, "preprocess": [], "retention": {"count": "infinity", "duration": "infinity"}, "subscribe": null, "format": "integer"}',1700000000,1700000000,0,NULL,NULL,NULL,NULL);
CREATE TABLE serials (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	model INTEGER NOT NULL, 
	sn VARCHAR NOT NULL, 
	extra TEXT NOT NULL, 
	place INTEGER NOT NULL, 
	client INTEGER, 
	enabled_by INTEGER, 
	from_range INTEGER DEFAULT '0' NOT NULL
);
INSERT INTO "serials" VALUES(1,1,'T-1','',0,9,1,0);
INSERT INTO "serials" VALUES(2,1,'T-2','',1,NULL,NULL,0);
CREATE TABLE series (
	resource INTEGER NOT NULL, 
	count INTEGER NOT NULL, 
	size INTEGER NOT NULL, 
	PRIMARY KEY (resource)
);
INSERT INTO "series" VALUES(3,2,6);
INSERT INTO "series" VALUES(4,1,3);
INSERT INTO "series" VALUES(8,1,1);
INSERT INTO "series" VALUES(10,1,1);
CREATE TABLE shares (
	code VARCHAR(40) NOT NULL, 
	resource INTEGER NOT NULL, 
	meta TEXT NOT NULL, 
	activator INTEGER, 
	PRIMARY KEY (code)
);
CREATE TABLE shelves (
	model INTEGER NOT NULL, 
	shelf INTEGER NOT NULL, 
	count INTEGER NOT NULL, 
	PRIMARY KEY (model, shelf)
)
 WITHOUT ROWID

;
INSERT INTO "shelves" VALUES(1,0,2);
CREATE TABLE tags (
	resource INTEGER NOT NULL, 
	tag VARCHAR NOT NULL, 
	PRIMARY KEY (resource, tag)
)
 WITHOUT ROWID

;
INSERT INTO "tags" VALUES(3,'old');
INSERT INTO "tags" VALUES(4,'old');
CREATE TABLE tallies (
	client INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	own INTEGER NOT NULL, 
	pooled INTEGER NOT NULL, 
	PRIMARY KEY (client, kind)
)
 WITHOUT ROWID

;
INSERT INTO "tallies" VALUES(1,'client',2,5);
INSERT INTO "tallies" VALUES(1,'dataport',0,2);
INSERT INTO "tallies" VALUES(2,'dataport',2,2);
INSERT INTO "tallies" VALUES(5,'client',1,3);
INSERT INTO "tallies" VALUES(6,'client',2,2);
INSERT INTO "tallies" VALUES(7,'dataport',1,1);
INSERT INTO "tallies" VALUES(9,'dataport',1,1);
CREATE TABLE timers (
	resource INTEGER NOT NULL, 
	due FLOAT, 
	counter INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY (resource)
);
CREATE TABLE vendor_tokens (
	token VARCHAR(40) NOT NULL, 
	vendor INTEGER NOT NULL, 
	label VARCHAR NOT NULL, 
	PRIMARY KEY (token)
);
INSERT INTO "vendor_tokens" VALUES('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',1,'first');
CREATE TABLE vendors (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR NOT NULL, 
	client INTEGER NOT NULL, 
	UNIQUE (name), 
	UNIQUE (client)
);
INSERT INTO "vendors" VALUES(1,'acme',5);
CREATE INDEX resources_by_source ON resources (subscribe) WHERE subscribe IS NOT NULL;
CREATE INDEX resources_dropped ON resources (id) WHERE owner IS NULL;
CREATE INDEX resources_by_owner ON resources (owner, type, id);
CREATE INDEX aliases_by_resource ON aliases (resource);
CREATE INDEX shares_by_activator ON shares (activator, resource);
CREATE INDEX shares_by_resource ON shares (resource);
CREATE INDEX grants_by_end ON grants (expires);
CREATE INDEX grants_by_client ON grants (client);
CREATE INDEX timers_by_due ON timers (due);
CREATE UNIQUE INDEX vendor_tokens_by_label ON vendor_tokens (vendor, label);
CREATE UNIQUE INDEX models_by_name ON models (vendor, name);
CREATE INDEX model_shares_by_vendor ON model_shares (vendor);
CREATE UNIQUE INDEX serials_by_sn ON serials (model, sn);
CREATE INDEX serials_by_enabler ON serials (model, enabled_by, place) WHERE enabled_by IS NOT NULL;
CREATE INDEX serials_by_client ON serials (client) WHERE client IS NOT NULL;
CREATE INDEX serials_by_place ON serials (model, place);
CREATE INDEX ranges_by_model ON ranges (model);
CREATE INDEX activations_by_serial ON activations (serial);
CREATE UNIQUE INDEX contents_by_name ON contents (model, name);
CREATE UNIQUE INDEX groups_by_name ON groups (model, name);
CREATE INDEX members_by_member ON members (model, type, member);
CREATE UNIQUE INDEX members_once ON members ("group", type, member);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('resources',10);
INSERT INTO "sqlite_sequence" VALUES('vendors',1);
INSERT INTO "sqlite_sequence" VALUES('models',1);
INSERT INTO "sqlite_sequence" VALUES('serials',2);
COMMIT;
