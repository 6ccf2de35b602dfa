"""What countries are called beyond the names that `phonenumbers` brings: newer ones of CLDR, in the eight languages."""

from typing import Final

MORE: Final = {
    "AG": "Antigua & Barbuda; Antigua i Barbuda",
    "AQ": "Antarctica; Antarktis; Antarctique; Antártida; Antartide; Antarktyda",
    "AS": "Samoa Amerykańskie",
    "AX": "Ålandinseln; Åland; Wyspy Alandzkie",
    "BA": "Bosnia y Herzegovina; Bosnia ed Erzegovina; Bósnia e Herzegovina",
    "BD": "Bangladés",
    "BH": "Baréin; Barein",
    "BL": "St. Barthélemy",
    "BN": "Brunei Darussalam",
    "BQ": (
        "Caribbean Netherlands; Karibische Niederlande; Pays-Bas caribéens; Caribe neerlandés; Caraibi Olandesi; "
        "Caribisch Nederland; Países Baixos Caribenhos; Niderlandy Karaibskie"
    ),
    "BV": (
        "Bouvet Island; Bouvetinsel; Île Bouvet; Isla Bouvet; Isola Bouvet; Bouveteiland; Ilha Bouvet; Wyspa Bouveta"
    ),
    "BY": "Bielorrússia",
    "CC": "Cocos (Keeling) Islands; Isole Cocos (Keeling); Ilhas Cocos (Keeling); Wyspy Kokosowe",
    "CD": "Kongo-Kinshasa; Demokratyczna Republika Konga",
    "CF": "République centrafricaine",
    "CG": "Kongo-Brazzaville; República do Congo",
    "CK": "Wyspy Cooka",
    "CM": "Camarões",
    "CW": "Curazao",
    "CX": "Isla de Navidad; Isola Christmas; Ilha Christmas; Wyspa Bożego Narodzenia",
    "CZ": "Tchéquie; Cechia; Tchéquia; Czechy",
    "DO": "Dominikana",
    "DZ": "Algieria",
    "FK": "Falklandy",
    "FO": "Färöer; Isole Fær Øer; Wyspy Owcze",
    "GF": "Guyana Francese",
    "GL": "Grenlandia",
    "GS": (
        "South Georgia & South Sandwich Islands; Südgeorgien und die Südlichen Sandwichinseln; Géorgie du Sud-et- "
        "les Îles Sandwich du Sud; Islas Georgia del Sur y Sandwich del Sur; Georgia del Sud e Sandwich Australi; "
        "Zuid-Georgia en Zuidelijke Sandwicheilanden; Ilhas Geórgia do Sul e Sandwich do Sul; Georgia Południowa i "
        "Sandwich Południowy"
    ),
    "GW": "Guinea-Bisáu",
    "HK": (
        "Hong Kong SAR China; Sonderverwaltungsregion Hongkong; R.A.S. chinoise de Hong Kong; RAE de Hong Kong "
        "(China); RAS di Hong Kong; Hong Kong, RAE da China; SRA Hongkong (Chiny)"
    ),
    "HM": (
        "Heard Island & McDonald Islands; Heard und McDonaldinseln; Îles Heard-et-MacDonald; Islas Heard y "
        "McDonald; Isole Heard e McDonald; Heard en McDonaldeilanden; Ilhas Heard e McDonald; Wyspy Heard i "
        "McDonalda"
    ),
    "IM": "Wyspa Man",
    "IO": (
        "Britisches Territorium im Indischen Ozean; Territoire britannique de l'océan Indien; Brits Indische "
        "Oceaanterritorium; Brytyjskie Terytorium Oceanu Indyjskiego"
    ),
    "KG": "Kirgisistan; Kirghizstan; Kirguistán",
    "KM": "Comoras",
    "KN": "St. Kitts & Nevis; St. Kitts und Nevis; Saint Kitts i Nevis",
    "KY": "Kaaimaneilanden; Ilhas Cayman; Kajmany",
    "KZ": "Kazajistán; Kazakistan; Cazaquistão",
    "LT": "Lituanie",
    "MD": "Republik Moldau",
    "ME": "Czarnogóra",
    "MH": "Wyspy Marshalla",
    "MK": (
        "North Macedonia; Nordmazedonien; Macédoine du Nord; Macedonia del Norte; Macedonia del Nord; Noord- "
        "Macedonië; Macedônia do Norte; Macedonia Północna"
    ),
    "MM": "Myanmar (Burma); Myanmar (Birmanie); Myanmar (Birmania); Myanmar (Birma); Mjanma (Birma)",
    "MO": (
        "Macao SAR China; Sonderverwaltungsregion Macau; R.A.S. chinoise de Macao; RAE de Macao (China); RAS di "
        "Macao; Macau SAR van China; Macau, RAE da China; SRA Makau (Chiny)"
    ),
    "MP": "Nördliche Marianen; Noordelijke Marianen; Mariany Północne",
    "MV": "Malediven; Malediwy",
    "NF": "Norfolk",
    "NL": "Países Bajos; Países Baixos",
    "PG": "Papúa Nueva Guinea",
    "PM": "St. Pierre & Miquelon; São Pedro e Miquelão; Saint-Pierre i Miquelon",
    "PN": (
        "Pitcairn Islands; Pitcairninseln; Îles Pitcairn; Islas Pitcairn; Isole Pitcairn; Pitcairneilanden; Ilhas "
        "Pitcairn; Pitcairn"
    ),
    "PS": (
        "Palestinian Territories; Palästinensische Autonomiegebiete; Territoires palestiniens; Territori "
        "Palestinesi; Palestijnse gebieden; Terytoria Palestyńskie"
    ),
    "RE": "Riunione",
    "SA": "Arabia Saudí",
    "SB": "Salomonen; Isole Salomone; Wyspy Salomona",
    "SC": "Seicheles",
    "SG": "Singapura",
    "SH": "St. Helena, Ascension & Tristan da Cunha; Santa Elena; Wyspa Świętej Heleny",
    "SJ": "Svalbard & Jan Mayen; Spitzbergen und Jan Mayen; Spitsbergen en Jan Mayen; Svalbard i Jan Mayen",
    "SS": "Soudan du Sud; Zuid-Soedan; Sudão do Sul; Sudan Południowy",
    "ST": "São Tomé & Príncipe; Wyspy Świętego Tomasza i Książęca",
    "SV": "Salvador",
    "SX": "Sint Maarten; Sint-Maarten",
    "SZ": "Eswatini; Esuatini; Essuatíni",
    "TC": "Turks & Caicos Islands; Îles Turques-et-Caïques; Ilhas Turcas e Caicos; Turks i Caicos",
    "TF": (
        "French Southern and Antarctic Lands; Französische Süd- und Antarktisgebiete; Terres australes françaises; "
        "Territorios Australes Franceses; Terre Australi Francesi; Franse Gebieden in de zuidelijke Indische "
        "Oceaan; Territórios Franceses do Sul; Francuskie Terytoria Południowe i Antarktyczne"
    ),
    "TL": "Timor Est; Timor Wschodni",
    "TR": "Türkiye",
    "TT": "Trinidad & Tobago",
    "UM": (
        "U.S. Outlying Islands; Amerikanische Überseeinseln; Îles mineures éloignées des États-Unis; Islas menores "
        "alejadas de EE. UU.; Isole Minori Esterne degli Stati Uniti; Kleine afgelegen eilanden van de Verenigde "
        "Staten; Ilhas Menores Distantes dos EUA; Dalekie Wyspy Mniejsze Stanów Zjednoczonych"
    ),
    "US": "Vereinigte Staaten; Stany Zjednoczone",
    "VA": "Vatican City; État de la Cité du Vatican; Cidade do Vaticano",
    "VC": "St. Vincent & Grenadines; Saint Vincent i Grenadyny",
    "VG": "Isole Vergini Britanniche; Brytyjskie Wyspy Dziewicze",
    "VI": (
        "Îles Vierges des États-Unis; Islas Vírgenes de EE. UU.; Isole Vergini Americane; Ilhas Virgens "
        "Americanas; Wyspy Dziewicze Stanów Zjednoczonych"
    ),
    "WF": "Wallis & Futuna; Wallis i Futuna",
    "XK": "Kosovo; Kosowo",
    "YT": "Majotta",
}
# What the people of a country call it, where that is none of the eight languages.
AT_HOME: Final = {
    "AL": "Shqipëria; Shqipëri", "AM": "Հայաստան", "AZ": "Azərbaycan", "BA": "Bosna i Hercegovina", "BG": "България",
    "BY": "Беларусь", "CH": "Svizra", "CN": "中国; 中國", "CY": "Κύπρος",
    "CZ": "Česko; Česká republika", "DK": "Danmark",
    "EE": "Eesti", "EG": "مصر", "FI": "Suomi", "GE": "საქართველო", "GR": "Ελλάδα; Hellas",
    "HK": "香港", "HR": "Hrvatska",
    "HU": "Magyarország", "IE": "Éire", "IL": "ישראל", "IN": "भारत; Bharat", "IS": "Ísland", "JP": "日本; Nippon",
    "KR": "대한민국; 한국", "KZ": "Казахстан; Қазақстан", "LT": "Lietuva", "LV": "Latvija", "ME": "Crna Gora",
    "MK": "Северна Македонија", "NO": "Norge; Noreg", "RO": "România", "RS": "Srbija; Србија", "RU": "Россия",
    "SA": "السعودية", "SE": "Sverige", "SI": "Slovenija", "SK": "Slovensko; Slovenská republika", "TH": "ประเทศไทย",
    "TW": "台灣; 台湾; 臺灣", "UA": "Україна; Ukrajina", "VN": "Việt Nam",
}  # fmt: skip
# ISO 3166: the three letters of a country, and its two.
THREE: Final = (
    "ABWAW AFGAF AGOAO AIAAI ALAAX ALBAL ANDAD AREAE ARGAR ARMAM ASMAS ATAAQ ATFTF ATGAG AUSAU AUTAT AZEAZ BDIBI "
    "BELBE BENBJ BESBQ BFABF BGDBD BGRBG BHRBH BHSBS BIHBA BLMBL BLRBY BLZBZ BMUBM BOLBO BRABR BRBBB BRNBN BTNBT "
    "BVTBV BWABW CAFCF CANCA CCKCC CHECH CHLCL CHNCN CIVCI CMRCM CODCD COGCG COKCK COLCO COMKM CPVCV CRICR CUBCU "
    "CUWCW CXRCX CYMKY CYPCY CZECZ DEUDE DJIDJ DMADM DNKDK DOMDO DZADZ ECUEC EGYEG ERIER ESHEH ESPES ESTEE ETHET "
    "FINFI FJIFJ FLKFK FRAFR FROFO FSMFM GABGA GBRGB GEOGE GGYGG GHAGH GIBGI GINGN GLPGP GMBGM GNBGW GNQGQ GRCGR "
    "GRDGD GRLGL GTMGT GUFGF GUMGU GUYGY HKGHK HMDHM HNDHN HRVHR HTIHT HUNHU IDNID IMNIM INDIN IOTIO IRLIE IRNIR "
    "IRQIQ ISLIS ISRIL ITAIT JAMJM JEYJE JORJO JPNJP KAZKZ KENKE KGZKG KHMKH KIRKI KNAKN KORKR KWTKW LAOLA LBNLB "
    "LBRLR LBYLY LCALC LIELI LKALK LSOLS LTULT LUXLU LVALV MACMO MAFMF MARMA MCOMC MDAMD MDGMG MDVMV MEXMX MHLMH "
    "MKDMK MLIML MLTMT MMRMM MNEME MNGMN MNPMP MOZMZ MRTMR MSRMS MTQMQ MUSMU MWIMW MYSMY MYTYT NAMNA NCLNC NERNE "
    "NFKNF NGANG NICNI NIUNU NLDNL NORNO NPLNP NRUNR NZLNZ OMNOM PAKPK PANPA PCNPN PERPE PHLPH PLWPW PNGPG POLPL "
    "PRIPR PRKKP PRTPT PRYPY PSEPS PYFPF QATQA REURE ROURO RUSRU RWARW SAUSA SDNSD SENSN SGPSG SGSGS SHNSH SJMSJ "
    "SLBSB SLESL SLVSV SMRSM SOMSO SPMPM SRBRS SSDSS STPST SURSR SVKSK SVNSI SWESE SWZSZ SXMSX SYCSC SYRSY TCATC "
    "TCDTD TGOTG THATH TJKTJ TKLTK TKMTM TLSTL TONTO TTOTT TUNTN TURTR TUVTV TWNTW TZATZ UGAUG UKRUA UMIUM URYUY "
    "USAUS UZBUZ VATVA VCTVC VENVE VGBVG VIRVI VNMVN VUTVU WLFWF WSMWS YEMYE ZAFZA ZMBZM ZWEZW"
)
# What people write besides, in lower case a to z only.
ALSO: Final = {
    "uk": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "northernireland": "GB", "greatbritain": "GB",
    "unitedkingdomofgreatbritainandnorthernireland": "GB", "grossbritannien": "GB", "reinounido": "GB",
    "inglaterra": "GB", "angleterre": "GB", "inghilterra": "GB", "engeland": "GB", "anglia": "GB",
    "grandebretagne": "GB", "granbretana": "GB", "granbretagna": "GB", "groot-brittannie": "GB",
    "grootbrittannie": "GB", "wielkabrytania": "GB", "gb": "GB", "usa": "US", "unitedstatesofamerica": "US",
    "america": "US", "vereinigtestaatenvonamerika": "US", "etatsunis": "US", "estadosunidos": "US", "eeuu": "US",
    "statiuniti": "US", "statiunitidamerica": "US", "verenigdestaten": "US", "eua": "US", "amerika": "US",
    "stanyzjednoczone": "US", "holland": "NL", "holanda": "NL", "olanda": "NL", "hollande": "NL", "holandia": "NL",
    "thenetherlands": "NL", "dieniederlande": "NL", "brd": "DE", "bundesrepublikdeutschland": "DE",
    "federalrepublicofgermany": "DE", "tschechien": "CZ", "tschechischerepublik": "CZ", "czechrepublic": "CZ",
    "czechia": "CZ", "republiquetcheque": "CZ", "republicacheca": "CZ", "republikaczeska": "CZ", "tsjechie": "CZ",
    "schweiz": "CH", "dieschweiz": "CH", "swiss": "CH", "republicofireland": "IE", "eire": "IE",
    "russianfederation": "RU", "russischefoderation": "RU", "korearepublicof": "KR", "republicofkorea": "KR",
    "korea": "KR", "koreademocraticpeoplesrepublicof": "KP", "vietnam": "VN", "iranislamicrepublicof": "IR",
    "syrianarabrepublic": "SY", "taiwanprovinceofchina": "TW", "macedonia": "MK", "ivorycoast": "CI", "uae": "AE",
    "burma": "MM", "capeverde": "CV", "swaziland": "SZ", "moldovarepublicof": "MD", "tanzaniaunitedrepublicof": "TZ",
    "boliviaplurinationalstateof": "BO", "venezuelabolivarianrepublicof": "VE", "bruneidarussalam": "BN",
    "laopeoplesdemocraticrepublic": "LA", "turkey": "TR", "turkiye": "TR", "hongkong": "HK", "macau": "MO",
    "macao": "MO", "palestine": "PS", "palestinestateof": "PS", "congothedemocraticrepublicofthe": "CD",
    "ger": "DE", "oesterreich": "AT", "vae": "AE", "fyrom": "MK", "rsa": "ZA", "drcongo": "CD", "drc": "CD",
    "bosnia": "BA", "bosnien": "BA", "slovakrepublic": "SK", "libyanarabjamahiriya": "LY", "virginislandsus": "VI",
    "virginislandsbritish": "VG", "micronesiafederatedstatesof": "FM", "czechrepublik": "CZ", "britain": "GB",
    "vaticancity": "VA", "holysee": "VA", "prc": "CN", "peoplesrepublicofchina": "CN",
}  # fmt: skip
