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
INSERT INTO "aliases" VALUES(2,'status',4);
INSERT INTO "aliases" VALUES(2,'hot',5);
INSERT INTO "aliases" VALUES(2,'often',6);
INSERT INTO "aliases" VALUES(2,'silent',7);
INSERT INTO "aliases" VALUES(14,'count',15);
INSERT INTO "aliases" VALUES(16,'count',17);
CREATE TABLE blobs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	complete INTEGER DEFAULT '0' NOT NULL
);
INSERT INTO "blobs" VALUES(1,1);
INSERT INTO "blobs" VALUES(2,0);
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
INSERT INTO "contents" VALUES(1,1,'firmware','the first',0,'application/octet-stream',11,1700000001,1);
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
INSERT INTO "ledger" VALUES(1,'client',1700000000,1);
INSERT INTO "ledger" VALUES(1,'client',1700000001,1);
INSERT INTO "ledger" VALUES(2,'client',1700000001,0);
INSERT INTO "ledger" VALUES(2,'dataport',1700000000,2);
INSERT INTO "ledger" VALUES(2,'dataport',1700000001,0);
INSERT INTO "ledger" VALUES(2,'datarule',1700000000,3);
INSERT INTO "ledger" VALUES(9,'dataport',1700000001,1);
INSERT INTO "ledger" VALUES(11,'client',1700000001,1);
INSERT INTO "ledger" VALUES(12,'client',1700000001,3);
INSERT INTO "ledger" VALUES(14,'dataport',1700000001,1);
INSERT INTO "ledger" VALUES(16,'dataport',1700000001,1);
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
INSERT INTO "models" VALUES(1,1,'thermo','rid','0000000000000000000000000000000000000002','',2);
CREATE TABLE pieces (
	blob INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	PRIMARY KEY (blob, number)
);
INSERT INTO "pieces" VALUES(1,0,X'6279746573206F66206974');
INSERT INTO "pieces" VALUES(2,0,X'68616C66206F6620616E2075706C6F6164');
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
INSERT INTO "points" VALUES(3,1700000000,'20.0');
INSERT INTO "points" VALUES(3,1700000001,'21.0');
INSERT INTO "points" VALUES(4,1700000000,'oné');
INSERT INTO "points" VALUES(7,1700000000,'false');
INSERT INTO "points" VALUES(7,1700000001,'false');
INSERT INTO "points" VALUES(8,1,'1.0');
INSERT INTO "points" VALUES(8,2,'2.0');
INSERT INTO "points" VALUES(8,3,'3.0');
INSERT INTO "points" VALUES(8,4,'4.0');
INSERT INTO "points" VALUES(8,5,'5.0');
INSERT INTO "points" VALUES(8,6,'6.0');
INSERT INTO "points" VALUES(8,7,'7.0');
INSERT INTO "points" VALUES(8,8,'8.0');
INSERT INTO "points" VALUES(8,9,'9.0');
INSERT INTO "points" VALUES(8,10,'10.0');
INSERT INTO "points" VALUES(8,11,'11.0');
INSERT INTO "points" VALUES(8,12,'12.0');
INSERT INTO "points" VALUES(8,13,'13.0');
INSERT INTO "points" VALUES(8,14,'14.0');
INSERT INTO "points" VALUES(8,15,'15.0');
INSERT INTO "points" VALUES(8,16,'16.0');
INSERT INTO "points" VALUES(8,17,'17.0');
INSERT INTO "points" VALUES(8,18,'18.0');
INSERT INTO "points" VALUES(8,19,'19.0');
INSERT INTO "points" VALUES(8,20,'20.0');
INSERT INTO "points" VALUES(8,21,'21.0');
INSERT INTO "points" VALUES(8,22,'22.0');
INSERT INTO "points" VALUES(8,23,'23.0');
INSERT INTO "points" VALUES(8,24,'24.0');
INSERT INTO "points" VALUES(8,25,'25.0');
INSERT INTO "points" VALUES(8,26,'26.0');
INSERT INTO "points" VALUES(8,27,'27.0');
INSERT INTO "points" VALUES(8,28,'28.0');
INSERT INTO "points" VALUES(8,29,'29.0');
INSERT INTO "points" VALUES(15,1700000001,'7');
INSERT INTO "points" VALUES(17,1700000001,'7');
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
INSERT INTO "resources" VALUES(1,'0000000000000000000000000000000000000001',NULL,'client','{"meta": "", "name": "root", "public": false, "limits": {"client": "inherit", "dataport": "inherit", "datarule": "inherit", "disk": "inherit", "dispatch": "inherit", "email": "inherit", "email_bucket": "inherit", "http": "inherit", "http_bucket": "inherit", "io": "inherit", "share": "inherit", "sms": "inherit", "sms_bucket": "inherit", "xmpp": "inherit", "xmpp_bucket": "inherit"}, "locked": false}',1700000000,1700000000,0,NULL,'000000000000000000000000000000000000000f','expired',NULL);
INSERT INTO "resources" VALUES(2,'0000000000000000000000000000000000000007',1,'client','{"meta": "", "name": "device", "public": false, "limits": {"client": "inherit", "dataport": "inherit", "datarule": "inherit", "disk": "inherit", "dispatch": "inherit", "email": "inherit", "email_bucket": "inherit", "http": "inherit", "http_bucket": "inherit", "io": "inherit", "share": "inherit", "sms": "inherit", "sms_bucket": "inherit", "xmpp": "inherit", "xmpp_bucket": "inherit"}, "locked": false}',1700000000,1700000000,0,NULL,'cccccccccccccccccccccccccccccccccccccccc','activated',NULL);
INSERT INTO "resources" VALUES(3,'dddddddddddddddddddddddddddddddddddddddd',2,'dataport','{"meta": "", "name": "temperature", "public": false, "preprocess": [], "retention": {"count": "infinity", "duration": "infinity"}, "subscribe": null, "format": "float"}',1700000000,1700000000,0,NULL,NULL,NULL,NULL);
INSERT INTO "resources" VALUES(4,'000000000000000000000000000000000000000c',2,'dataport','{"meta": "", "name": "status", "public": false, "preprocess": [], "retention": {"count": "infinity", "duration": "infinity"}, "subscribe": null, "format": "string"}',1700000000,1700000000,0,NULL,NULL,NULL,NULL);
INSERT INTO "resources" VALUES(5,'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee',2,'datarule','{"meta": "", "name": "hot", "public": false, "preprocess": [], "retention": {"count": "infinity", "duration": "infinity"}, "subscribe": "dddddddddddddddddddddddddddddddddddddddd", "format": "integer", "rule": {"duration": {"comparison": "gt", "constant": 10, "timeout": 60, "repeat": true}}}',1700000000,1700000000,0,'dddddddddddddddddddddddddddddddddddddddd',NULL,NULL,NULL);
INSERT INTO "resources" VALUES(6,'0000000000000000000000000000000000000006',2,'datarule','{"meta": "", "name": "often", "public": false, "preprocess": [], "retention": {"count": "infinity", "duration": "infinity"}, "subscribe": "dddddddddddddddddddddddddddddddddddddddd", "format": "integer", "rule": {"count": {"comparison": "gt", "constant": 10, "count": 3, "timeout": 600, "repeat": true}}}',1700000000,1700000000,0,'dddddddddddddddddddddddddddddddddddddddd',NULL,NULL,NULL);
INSERT INTO "resources" VALUES(7,'0000000000000000000000000000000000000013',2,'datarule','{"meta": "", "name": "silent", "public": false, "preprocess": [], "retention": {"count": "infinity", "duration": "infinity"}, "subscribe": "dddddddddddddddddddddddddddddddddddddddd", "format": "string", "rule": {"timeout": {"timeout": 30, "repeat": true}}}',1700000000,1700000000,0,'dddddddddddddddddddddddddddddddddddddddd',NULL,NULL,NULL);
INSERT INTO "resources" VALUES(8,'000000000000000000000000000000000000000a',NULL,'dataport','{"meta": "", "name": "gone", "public": false, "preprocess": [], "retention": {"count": "infinity", "duration": "infinity"}, "subscribe": null, "format": "float"}',1700000001,1700000001,0,NULL,NULL,NULL,NULL);
INSERT INTO "resources" VALUES(9,'0000000000000000000000000000000000000012',NULL,'client','{"meta": "", "name": "goneclient", "public": false, "limits": {"client": 0, "dataport": "inherit", "datarule": 0, "disk": 0, "dispatch": 0, "email": 0, "email_bucket": 0, "http": 0, "http_bucket": 0, "io": 0, "share": 0, "sms": 0, "sms_bucket": 0, "xmpp": 0, "xmpp_bucket": 0}, "locked": false}',1700000001,1700000001,0,NULL,'0000000000000000000000000000000000000015','activated',NULL);
INSERT INTO "resources" VALUES(10,'0000000000000000000000000000000000000008',9,'dataport','{"meta": "", "name": "below", "public": false, "preprocess": [], "retention": {"count": "infinity", "duration": "infinity"}, "subscribe": null, "format": "string"}',1700000001,1700000001,0,NULL,NULL,NULL,NULL);
INSERT INTO "resources" VALUES(11,'0000000000000000000000000000000000000010',1,'client','{"meta": "", "name": "acme", "public": false, "limits": {"client": "inherit", "dataport": "inherit", "datarule": "inherit", "disk": "inherit", "dispatch": "inherit", "email": "inherit", "email_bucket": "inherit", "http": "inherit", "http_bucket": "inherit", "io": "inherit", "share": "inherit", "sms": "inherit", "sms_bucket": "inherit", "xmpp": "inherit", "xmpp_bucket": "inherit"}, "locked": false}',1700000001,1700000001,0,NULL,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','activated',NULL);
INSERT INTO "resources" VALUES(12,'000000000000000000000000000000000000000d',11,'client','{"meta": "", "name": "portal", "public": false, "limits": {"client": "inherit", "dataport": "inherit", "datarule": "inherit", "disk": "inherit", "dispatch": "inherit", "email": "inherit", "email_bucket": "inherit", "http": "inherit", "http_bucket": "inherit", "io": "inherit", "share": "inherit", "sms": "inherit", "sms_bucket": "inherit", "xmpp": "inherit", "xmpp_bucket": "inherit"}, "locked": false}',1700000001,1700000001,0,NULL,'0000000000000000000000000000000000000005','activated',NULL);
INSERT INTO "resources" VALUES(13,'0000000000000000000000000000000000000014',12,'client','{"meta": "", "name": "template", "public": false, "limits": {"client": 0, "dataport": "inherit", "datarule": 0, "disk": 0, "dispatch": 0, "email": 0, "email_bucket": 0, "http": 0, "http_bucket": 0, "io": 0, "share": 0, "sms": 0, "sms_bucket": 0, "xmpp": 0, "xmpp_bucket": 0}, "locked": false}',1700000001,1700000001,0,NULL,'000000000000000000000000000000000000000b','activated',NULL);
INSERT INTO "resources" VALUES(14,'0000000000000000000000000000000000000002',12,'client','{"meta": "", "name": "template", "public": false, "limits": {"client": 0, "dataport": "inherit", "datarule": 0, "disk": 0, "dispatch": 0, "email": 0, "email_bucket": 0, "http": 0, "http_bucket": 0, "io": 0, "share": 0, "sms": 0, "sms_bucket": 0, "xmpp": 0, "xmpp_bucket": 0}, "locked": false}',1700000001,1700000001,0,NULL,'000000000000000000000000000000000000000e','activated',NULL);
INSERT INTO "resources" VALUES(15,'0000000000000000000000000000000000000009',14,'dataport','{"meta": "", "name": "", "public": false, "preprocess": [], "retention": {"count": "infinity", "duration": "infinity"}, "subscribe": null, "format": "integer"}',1700000001,1700000001,0,NULL,NULL,NULL,NULL);
INSERT INTO "resources" VALUES(16,'0000000000000000000000000000000000000003',12,'client','{"meta": "", "name": "template", "public": false, "limits": {"client": 0, "dataport": "inherit", "datarule": 0, "disk": 0, "dispatch": 0, "email": 0, "email_bucket": 0, "http": 0, "http_bucket": 0, "io": 0, "share": 0, "sms": 0, "sms_bucket": 0, "xmpp": 0, "xmpp_bucket": 0}, "locked": false}',1700000001,1700000001,0,NULL,'0000000000000000000000000000000000000011','notactivated',1700086401.0);
INSERT INTO "resources" VALUES(17,'0000000000000000000000000000000000000004',16,'dataport','{"meta": "", "name": "", "public": false, "preprocess": [], "retention": {"count": "infinity", "duration": "infinity"}, "subscribe": null, "format": "integer"}',1700000001,1700000001,0,NULL,NULL,NULL,NULL);
INSERT INTO "resources" VALUES(18,'ffffffffffffffffffffffffffffffffffffffff',0,'client','{"meta": "", "name": "template", "public": false, "limits": {"client": 0, "dataport": "inherit", "datarule": 0, "disk": 0, "dispatch": 0, "email": 0, "email_bucket": 0, "http": 0, "http_bucket": 0, "io": 0, "share": 0, "sms": 0, "sms_bucket": 0, "xmpp": 0, "xmpp_bucket": 0}, "locked": false}',1700000001,1700000001,0,NULL,'9999999999999999999999999999999999999999','notactivated',1700090001.0);
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
INSERT INTO "serials" VALUES(1,1,'T-1','',0,16,1,0);
INSERT INTO "serials" VALUES(2,1,'T-2','',1,NULL,NULL,0);
CREATE TABLE series (
	resource INTEGER NOT NULL, 
	count INTEGER NOT NULL, 
	size INTEGER NOT NULL, 
	PRIMARY KEY (resource)
);
INSERT INTO "series" VALUES(3,4,14);
INSERT INTO "series" VALUES(4,1,3);
INSERT INTO "series" VALUES(7,2,10);
INSERT INTO "series" VALUES(8,29,107);
INSERT INTO "series" VALUES(15,1,1);
INSERT INTO "series" VALUES(17,1,1);
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
CREATE TABLE tallies (
	client INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	own INTEGER NOT NULL, 
	pooled INTEGER NOT NULL, 
	PRIMARY KEY (client, kind)
)
 WITHOUT ROWID

;
INSERT INTO "tallies" VALUES(1,'client',2,6);
INSERT INTO "tallies" VALUES(1,'dataport',0,4);
INSERT INTO "tallies" VALUES(1,'datarule',0,3);
INSERT INTO "tallies" VALUES(2,'client',0,0);
INSERT INTO "tallies" VALUES(2,'dataport',2,2);
INSERT INTO "tallies" VALUES(2,'datarule',3,3);
INSERT INTO "tallies" VALUES(9,'dataport',1,1);
INSERT INTO "tallies" VALUES(11,'client',1,4);
INSERT INTO "tallies" VALUES(11,'dataport',0,2);
INSERT INTO "tallies" VALUES(12,'client',3,3);
INSERT INTO "tallies" VALUES(12,'dataport',0,2);
INSERT INTO "tallies" VALUES(14,'dataport',1,1);
INSERT INTO "tallies" VALUES(16,'dataport',1,1);
CREATE TABLE timers (
	resource INTEGER NOT NULL, 
	due FLOAT, 
	counter INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY (resource)
);
INSERT INTO "timers" VALUES(5,1700000060.0,0);
INSERT INTO "timers" VALUES(6,1700000600.0,2);
INSERT INTO "timers" VALUES(7,1700000031.0,0);
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
INSERT INTO "vendors" VALUES(1,'acme',11);
CREATE INDEX resources_dropped ON resources (id) WHERE owner IS NULL;
CREATE INDEX resources_by_source ON resources (subscribe) WHERE subscribe IS NOT NULL;
CREATE INDEX resources_by_owner ON resources (owner, type, id);
CREATE INDEX aliases_by_resource ON aliases (resource);
CREATE INDEX shares_by_resource ON shares (resource);
CREATE INDEX shares_by_activator ON shares (activator, resource);
CREATE INDEX grants_by_client ON grants (client);
CREATE INDEX grants_by_end ON grants (expires);
CREATE INDEX timers_by_due ON timers (due);
CREATE UNIQUE INDEX vendor_tokens_by_label ON vendor_tokens (vendor, label);
CREATE UNIQUE INDEX models_by_name ON models (vendor, name);
CREATE INDEX model_shares_by_vendor ON model_shares (vendor);
CREATE INDEX serials_by_place ON serials (model, place);
CREATE INDEX serials_by_enabler ON serials (model, enabled_by, place) WHERE enabled_by IS NOT NULL;
CREATE UNIQUE INDEX serials_by_sn ON serials (model, sn);
CREATE INDEX serials_by_client ON serials (client) WHERE client IS NOT NULL;
CREATE INDEX ranges_by_model ON ranges (model);
CREATE INDEX activations_by_serial ON activations (serial);
CREATE UNIQUE INDEX contents_by_name ON contents (model, name);
CREATE UNIQUE INDEX groups_by_name ON groups (model, name);
CREATE UNIQUE INDEX members_once ON members ("group", type, member);
CREATE INDEX members_by_member ON members (model, type, member);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('resources',18);
INSERT INTO "sqlite_sequence" VALUES('vendors',1);
INSERT INTO "sqlite_sequence" VALUES('models',1);
INSERT INTO "sqlite_sequence" VALUES('serials',2);
INSERT INTO "sqlite_sequence" VALUES('blobs',2);
COMMIT;
